"""data/records: lines and tables are read alike, and blank rows at the end are left out only where they are not records."""

from hypothesis import given
from hypothesis import strategies as st

from seqcli.data.lines import block_of, without_blank_end


@given(st.lists(st.lists(st.sampled_from(["a", "", " ", "\n", "b\nc"]), min_size=1, max_size=4), max_size=6))
def test_blank_rows_are_left_out_at_the_end_alone(parts):
    first, blocks = 1, []
    for part in parts:
        blocks.append(block_of(part, first=first, kept=[(str(first + k),) for k in range(len(part))]))
        first += len(part)
    records = [record for part in parts for record in part]
    last = max((k + 1 for k, record in enumerate(records) if record.strip()), default=0)
    noted = []
    found = list(without_blank_end(iter(blocks), noted.append))
    assert [record for block in found for record in block.records()] == records[:last]
    assert [row for block in found for row in block.kept] == [(str(k + 1),) for k in range(last)]
    assert [block.first for block in found] == [int(block.kept[0][0]) for block in found]
    assert sum(noted) == len(records) - last and len(noted) <= 1
