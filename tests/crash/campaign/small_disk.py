"""PostgreSQL's data on a file system of its own, which can be filled: a small tmpfs, where mounting is allowed."""

import errno
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

SIZE = "1500m"
BLOCK = 1 << 20


class SmallDisk:
    """The data of that server moves onto it, while the server is down."""

    def __init__(self, servers):
        self._servers = servers
        self.data = (servers.directory / "postgres").resolve() / "data"
        self._ballast = self.data / "ballast"
        servers.end("postgres", signal.SIGINT)
        try:
            aside = self.data.rename(self.data.with_suffix(".aside"))
            self.data.mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "drawdown-campaign", self.data]
            subprocess.run(mount, check=True, capture_output=True)
            subprocess.run(["cp", "-a", f"{aside}/.", self.data], check=True)
            shutil.rmtree(aside)
        finally:
            servers.resume("postgres")

    @staticmethod
    def is_allowed():
        """Tried, as rights and namespaces do not tell."""
        with tempfile.TemporaryDirectory(prefix="drawdown-mount.") as directory:
            mounted = subprocess.run(["mount", "-t", "tmpfs", "drawdown-campaign", directory], capture_output=True)
            if mounted.returncode == 0:
                subprocess.run(["umount", directory], check=True)
        return mounted.returncode == 0

    def fill(self):
        """To the last block, however much the server takes meanwhile."""
        with open(self._ballast, "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(BLOCK))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self):
        Path(self._ballast).unlink(missing_ok=True)

    def close(self):
        """The server ends for good."""
        if self._servers.is_running("postgres"):
            self._servers.end("postgres", signal.SIGQUIT)
        subprocess.run(["umount", self.data], check=True)
