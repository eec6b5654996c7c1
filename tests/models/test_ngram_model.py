"""The n-gram model over damaged tables: an error of the model and nothing else."""

from functools import partial

import numpy as np

from seqcli.errors import ModelError
from seqcli.models import ngram
from seqcli.ngram.table import Table


def test_4_damage_in_a_large_table_is_an_error_of_the_model(opened):
    rng, whole = np.random.default_rng(0), opened.model.table.tensors()
    batch = opened.tokenizer.encode(b"the cat saw the dog\nmy computer is very old\n")
    failed = 0
    for _ in range(200):
        tensors = {name: array.copy() for name, array in whole.items()}
        data = tensors[rng.choice([name for name in whole if name.endswith(("children", "words"))])].view(np.uint8)
        data[rng.integers(4, len(data) - 4)] ^= 1 << rng.integers(8)
        model = ngram.NgramModel(Table.from_tensors(tensors, order=3, vocab_size=opened.tokenizer.vocab_size))
        for ask in (
            partial(model.score, batch, rank=True),
            partial(model.next_distribution, batch.tokens[:2]),
            partial(model.extend, batch.tokens[None, :2], np.array([2])),
        ):
            try:
                ask()
            except ModelError as error:
                assert "info DIR --verify" in error.cure
                failed += 1
    assert failed
