"""Records on disk: JSON lines in Zstandard frames."""

from __future__ import annotations

import json

from paddle_wwm.shards.records import record_lines, write_records


def test_records_survive_a_round_trip_and_files_can_be_concatenated(tmp_path):
    records = [["a\n\u2028", ["好", "\x00😀"]], [], "三", {"k": None}]
    write_records(tmp_path / "1", records[:3])
    write_records(tmp_path / "2", [])
    write_records(tmp_path / "3", records[3:])
    (tmp_path / "all").write_bytes(b"".join((tmp_path / name).read_bytes() for name in "123"))
    assert [json.loads(line) for line in record_lines(tmp_path / "all")] == records
