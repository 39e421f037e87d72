#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the golden files of this directory with fastavro, an implementation that is not ours.

    pip install fastavro && python3 make.py

For each record of records.json: NAME.avro, its bytes in single-object framing, and NAME.json, the line of JSON that
`drawdown tail` prints for it. fingerprints.txt: CRC-64-AVRO and Parsing Canonical Form of every schema.

For each case of writers.json, a schema of somebody else and a record of it: writers/NAME.avsc, the schema;
writers/NAME.avro, the record in Confluent framing, its id the case's place from 1 on; writers/NAME.expected.avro, what it
means, in our schema and single-object framing: as fastavro resolves the one schema to the other, or where it cannot
(aliases of the writer, types that are accepted beyond Avro's rules), as `expected` of the case says.
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


def to_bytes(schema, value):
    return value.encode() if schema == "bytes" or isinstance(schema, dict) and schema["type"] == "fixed" else value


def to_avro(schema, value, named=None):
    """The Python value that fastavro writes. named: the types of writers that were seen, for where their names stand."""
    named = {} if named is None else named
    schema = branch(schema, value)
    schema = named.get(schema, schema) if isinstance(schema, str) else schema
    if not isinstance(schema, dict):
        return to_bytes(schema, value)
    if "name" in schema:
        named[schema["name"]] = schema
    if schema["type"] == "record":
        return {field["name"]: to_avro(field["type"], value[field["name"]], named) for field in schema["fields"]}
    if schema["type"] == "array":
        return [to_avro(schema["items"], item, named) for item in value]
    if schema.get("logicalType") == "decimal":
        return Decimal(value)
    if schema["type"] == "map":
        return {name: to_avro(schema["values"], member, named) for name, member in value.items()}
    if schema.get("logicalType") in ("timestamp-micros", "timestamp-millis"):
        date, fraction = value[:-1].split(".") if "." in value else (value[:-1], "0")
        time = datetime.fromisoformat(date).replace(tzinfo=timezone.utc)
        return time + timedelta(microseconds=int(fraction.ljust(6, "0")))
    return to_bytes(schema, value)


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


def encode(schema, record):
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
    return body.getvalue()


def make_writers(schemas, headers):
    (here / "writers").mkdir(exist_ok=True)
    for number, case in enumerate(json.loads((here / "writers.json").read_text()), 1):
        writer, reader = case["schema"], schemas[case["reader"]]
        body = encode(writer, to_avro(writer, case["record"]))
        if "expected" in case:
            meant = to_avro(reader, case["expected"])
        else:
            meant = fastavro.schemaless_reader(
                io.BytesIO(body), fastavro.parse_schema(writer), fastavro.parse_schema(reader))
        path = here / "writers" / case["name"]
        path.with_suffix(".avsc").write_text(json.dumps(writer, indent=2, ensure_ascii=False) + "\n")
        path.with_suffix(".avro").write_bytes(b"\0" + number.to_bytes(4, "big") + body)
        path.with_suffix(".expected.avro").write_bytes(b"\xc3\x01" + headers[case["reader"]] + encode(reader, meant))


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
        body = encode(schema, to_avro(schema, case["record"]))
        (here / f"{case['name']}.avro").write_bytes(b"\xc3\x01" + headers[case["schema"]] + body)
        (here / f"{case['name']}.json").write_text(to_json(schema, case["record"]) + "\n")
    make_writers(schemas, headers)


if __name__ == "__main__":
    main()
