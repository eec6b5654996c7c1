"""The table of models that were trained alike."""

from seqcli.report.comparison import columns
from seqcli.report.frame import table, tsv


def record(bits: float | None, **more) -> dict:
    valid = {"perplexity": 20.0, "perplexity_known": 18.5, "bits_per_byte": bits}
    return {"parameters": 1_000_000_000, "seconds": 2.0, "data": {"tokens": 300}, "valid": valid, **more}


def test_the_best_stands_first_and_a_table_fits_a_terminal():
    network = record(1.5, progress={"tokens": 4000, "seconds": 2.0})
    made = columns({"ngram": record(1.75), "feedforward": network, "rnn": record(None)})
    assert tsv(made).splitlines() == [
        "feedforward\t1000000000\t2.00\t2000\t20.0000\t18.5000\t1.5000",
        "ngram\t1000000000\t2.00\t150\t20.0000\t18.5000\t1.7500",
        "rnn\t1000000000\t2.00\t150\t20.0000\t18.5000\t",
    ]
    assert "\n feedforward " in table(made, color=False, width=80)
