#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the golden files of this directory with fastavro, an implementation that is not ours.

    pip install fastavro && python3 make.py

For each record of records.json: NAME.avro, its bytes in single-object framing, and NAME.json, the line of JSON that
`drawdown tail` prints for it. fingerprints.txt: CRC-64-AVRO and Parsing Canonical Form of every schema.
"""
import io
import json
import pathlib
from datetime import datetime, timedelta, timezone
from decimal import Decimal, getcontext

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

getcontext().prec = 60
here = pathlib.Path(__file__).parent
epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)


def branch(schema, value):
    """The schema that a value of a union has; all unions are of null and one type, or of plain values."""
    if not isinstance(schema, list):
        return schema
    if value is None:
        return "null"
    others = [one for one in schema if one != "null"]
    if len(others) == 1:
        return others[0]
    return {str: "string", bool: "boolean", int: "long", float: "double"}[type(value)]


def to_avro(schema, value):
    """The Python value that fastavro writes."""
    schema = branch(schema, value)
    if not isinstance(schema, dict):
        return value
    if schema["type"] == "record":
        return {field["name"]: to_avro(field["type"], value[field["name"]]) for field in schema["fields"]}
    if schema["type"] == "array":
        return [to_avro(schema["items"], item) for item in value]
    if schema.get("logicalType") == "decimal":
        return Decimal(value)
    if schema.get("logicalType") == "timestamp-micros":
        date, fraction = value[:-1].split(".") if "." in value else (value[:-1], "0")
        time = datetime.fromisoformat(date).replace(tzinfo=timezone.utc)
        return time + timedelta(microseconds=int(fraction.ljust(6, "0")))
    return value


def time_text(text):
    """0, 3 or 6 fractional digits."""
    date, fraction = text[:-1].split(".") if "." in text else (text[:-1], "")
    fraction = fraction.rstrip("0")
    if fraction:
        fraction = "." + fraction.ljust(3 if len(fraction) <= 3 else 6, "0")
    return f'"{date}{fraction}Z"'


def number_text(number):
    """Exact, without zeros at either end; an exponent below 10^-20 and above 10^40."""
    sign, digits, exponent = Decimal(str(number)).normalize().as_tuple()
    digits = "".join(map(str, digits))
    power = exponent + len(digits) - 1
    if digits == "0":
        return "0"
    if not -20 <= power <= 40:
        body = f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{power}"
    elif exponent >= 0:
        body = digits + "0" * exponent
    elif power >= 0:
        body = f"{digits[:power + 1]}.{digits[power + 1:]}"
    else:
        body = "0." + "0" * (-power - 1) + digits
    return ("-" if sign else "") + body


def string_text(text):
    return json.dumps(text, ensure_ascii=False)


def to_json(schema, value):
    schema = branch(schema, value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    if not isinstance(schema, dict):
        return string_text(value)
    if schema["type"] == "record":
        fields = (f'{string_text(f["name"])}:{to_json(f["type"], value[f["name"]])}' for f in schema["fields"])
        return "{" + ",".join(fields) + "}"
    if schema["type"] == "array":
        return "[" + ",".join(to_json(schema["items"], item) for item in value) + "]"
    if schema["type"] == "map":
        return "{" + ",".join(f"{string_text(k)}:{to_json(schema['values'], v)}" for k, v in value.items()) + "}"
    if schema.get("logicalType") == "decimal":
        return number_text(value)
    if schema.get("logicalType") == "timestamp-micros":
        return time_text(value)
    return string_text(value)


def main():
    schemas = {path.stem: json.loads(path.read_text()) for path in sorted(here.parent.glob("*.avsc"))}
    headers = {}
    with open(here / "fingerprints.txt", "w") as out:
        for name, schema in schemas.items():
            canonical = to_parsing_canonical_form(schema)
            headers[name] = bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
            print(headers[name].hex(), canonical, file=out)
    for case in json.loads((here / "records.json").read_text()):
        schema = schemas[case["schema"]]
        body = io.BytesIO()
        fastavro.schemaless_writer(body, fastavro.parse_schema(schema), to_avro(schema, case["record"]))
        (here / f"{case['name']}.avro").write_bytes(b"\xc3\x01" + headers[case["schema"]] + body.getvalue())
        (here / f"{case['name']}.json").write_text(to_json(schema, case["record"]) + "\n")


if __name__ == "__main__":
    main()
