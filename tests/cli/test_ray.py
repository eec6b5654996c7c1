"""`--ray` through all verbs: the bytes of the command without it. In the cluster's place is a pickle of everything that travels."""

import pickle
import re

import pytest
from small_classifiers import places  # noqa: F401

from seqcli import sources
from seqcli.commands.options import BatchMachine
from seqcli.data import lines
from seqcli.system import cluster

cloudpickle = pytest.importorskip("cloudpickle", reason="functions travel by it")
TEXTS = ["I study machine learning", "the cat saw the dog", "", "my computer is very old", "제 컴퓨터는 아주 느려요", "an unseen <unk> word"]  # fmt: skip


@pytest.fixture
def blocks(monkeypatch):
    """The numbers of the blocks that went to the cluster; blocks are small."""
    went = []

    def ordered_map(function, items, **how):
        travelled = pickle.loads(cloudpickle.dumps(function))
        went.append(0)
        for item in items:
            went[-1] += 1
            yield pickle.loads(pickle.dumps(travelled(pickle.loads(pickle.dumps(item)))))

    monkeypatch.setattr(cluster, "ordered_map", ordered_map)
    monkeypatch.setattr(cluster, "check_installed", lambda: None)
    monkeypatch.setattr(lines, "BLOCK_BYTES", 40)
    return went


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("".join(text + "\n" for text in TEXTS * 3), encoding="utf-8")
    (tmp_path / "table.tsv").write_text("text\tid\n" + "".join(f"{text}\t{n}\n" for n, text in enumerate(TEXTS)))
    return path


class Named:
    """Models by the names in the command lines below, made when first asked for."""

    def __init__(self, request):
        self._get = request.getfixturevalue

    def __getitem__(self, name):
        if name in ("LM", "PIECES"):
            return self._get("models")({"LM": "words", "PIECES": "sentencepiece"}[name])
        if name == "LABELLED":
            return self["CLASSIFIER"].parent / "texts.tsv"
        return (
            self._get("places")("ngram")
            if name == "CLASSIFIER"
            else self._get({"TRANSLATOR": "translator", "WORDS": "embeddings", "FILE": "texts"}[name])
        )

    def words(self, options):
        """Options as they are given, with paths for names."""
        return [re.sub("[A-Z]{2,}$", lambda name: str(self[name[0]]), word) for word in options.split()]


@pytest.fixture
def opened_by(request):
    return Named(request)


@pytest.fixture(scope="session")
def embeddings(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "words.vec"
    path.write_text("3 2\nthe 1 0\ncat 0 1\ndog 0.5 0.5\n")
    return path


ASKED = [
    ("tokenize", "-m LM"), ("tokenize", "-m PIECES --ids"), ("tokenize", "-m LM --offsets"), ("tokenize", "-m LM --count"),
    ("tokenize", "-m PIECES --sample 0.5 --seed 3"), ("tokenize", "-m LM --decode"),
    ("score", "-m LM"), ("score", "-m LM -m PIECES"), ("score", "-m LM -m again=LM --mix FILE"), ("score", "-m LM --level token"),
    ("score", "-m LM --level word"), ("score", "-m LM -m PIECES --level corpus"), ("score", "-m LM --context-file FILE --base 2"),
    ("score", "-m TRANSLATOR --source FILE"),
    ("generate", "-m LM --max-new-tokens 4 --num-samples 2"), ("generate", "-m LM --beam-size 2 --max-new-tokens 3"),
    ("classify", "-m CLASSIFIER"), ("classify", "-m CLASSIFIER --top-k 2 --label-map good=1,bad=0"),
    ("classify", "-m CLASSIFIER --calibrate LABELLED"), ("classify", "-m CLASSIFIER -m b=CLASSIFIER --mix LABELLED"),
    ("translate", "-m TRANSLATOR --max-length-ratio 1"), ("translate", "-m TRANSLATOR --reference FILE --with-scores --alignment"),
    ("embed", "-m WORDS"),
]  # fmt: skip


@pytest.mark.parametrize("verb, options", ASKED)
def test_the_same_bytes_and_notes(here, blocks, texts, opened_by, verb, options):
    words = opened_by.words(options)
    for shape in ([], ["--json"]):
        alone = here(verb, *words, "-i", texts, "--threads", "1", *shape)
        assert alone.code == 0, alone.err
        blocks.clear()
        shared = here(verb, *words, "-i", texts, "--ray", "local", *shape)
        assert (shared.code, shared.out, shared.err) == tuple(alone)
        assert len(blocks) == 1 and blocks[0] >= 1
    if verb in ("tokenize", "score") or "-m CLASSIFIER" in options:
        assert blocks[0] > 1


@pytest.mark.parametrize("verb, model", [("tokenize", "LM"), ("score", "LM"), ("generate", "LM"), ("classify", "CLASSIFIER"), ("translate", "TRANSLATOR"), ("embed", "WORDS")])  # fmt: skip
@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".parquet", ".json"])
def test_the_same_files(here, blocks, texts, opened_by, tmp_path, verb, model, suffix):
    asked = [verb, "-m", opened_by[model], "-i", texts.parent / "table.tsv"]
    if verb != "generate":
        asked += ["--keep", "id"]
    files = [tmp_path / f"alone{suffix}", tmp_path / f"shared{suffix}"]
    done = [here(*asked, "-o", files[0], "--threads", "1"), here(*asked, "-o", files[1], "--ray", "local")]
    assert [each.code for each in done] == [0, 0] and len(blocks) == 1, done
    assert files[0].read_bytes() == files[1].read_bytes() != b""


def test_vectors_as_a_matrix(here, blocks, texts, opened_by, tmp_path):
    for name, more in (("alone", []), ("shared", ["--ray", "local"])):
        assert here("embed", "-m", opened_by["WORDS"], "-i", texts, "-o", tmp_path / f"{name}.npy", *more).code == 0
    assert (tmp_path / "alone.npy").read_bytes() == (tmp_path / "shared.npy").read_bytes() and len(blocks) == 1


def test_an_error_in_a_record_is_the_same(here, blocks, opened_by, tmp_path):
    (tmp_path / "ids").write_text("1 2\n3 4\n5 nonsense\n" * 9)
    asked = ["tokenize", "-m", opened_by["LM"], "-i", tmp_path / "ids", "--ids", "--decode", "-o", tmp_path / "out"]
    alone, shared = here(*asked), here(*asked, "--ray", "local")
    assert alone == shared and alone.code == 3 and "record 3" in alone.err and alone.err.count("\n") == 1
    assert not (tmp_path / "out").exists() and blocks


ALONE = [
    ("tokenize", "-m LM --vocab"), ("tokenize", "-m LM --stats"), ("tokenize", "-m PIECES --n-best 2"), ("score", "-m LM --scramble"),
    ("score", "-m LM --choices"), ("score", "-m LM --pairs FILE"), ("score", "-m LM --unit document"), ("generate", "-m LM --next 3"),
    ("generate", "-m LM --fill"), ("classify", "-m CLASSIFIER --evaluate"), ("classify", "-m CLASSIFIER --explain"),
    ("embed", "-m WORDS --neighbours cat"), ("embed", "-m WORDS --analogy cat-dog"), ("embed", "-m WORDS --similarity FILE"),
    ("embed", "-m WORDS --map FILE"),
]  # fmt: skip


@pytest.mark.parametrize("verb, options", ALONE)
def test_options_that_need_one_process_are_refused(here, blocks, opened_by, verb, options):
    done = here(verb, *opened_by.words(options), "--ray", "local")
    option = options.split()[2]
    assert done.code == 2 and done.err.count("\n") == 1 and not blocks
    assert (
        f"error: {option}{' document' * (option == '--unit')} cannot be combined with --ray; leave out --ray"
        in done.err
    )


@pytest.mark.parametrize(
    "options, says",
    [
        ("", "--ray needs -m; name the model, such as -m sample-english"),
        ("-m LM --device cuda:1", "--device cuda:1 cannot be combined with --ray; use cpu, cuda or auto"),
        ("-m LM --precision auto", "--precision auto cannot be combined with --ray; name the precision, such as bf16"),
    ],
)
def test_options_without_effect_on_another_machine(here, blocks, opened_by, options, says):
    done = here("score", "a", *opened_by.words(options), "--ray", "local")
    assert done.code == 2 and done.err == f"seqcli score: error: {says}\n"


def test_an_invalid_address(here, blocks, opened_by):
    done = here("score", "a", "-m", opened_by["LM"], "--ray", "somewhere")
    assert done.code == 2 and "'somewhere' is neither local nor HOST:PORT" in done.err and done.err.count("\n") == 1


def test_without_ray_the_error_says_how_to_install_it(here, monkeypatch, opened_by):
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    done = here("score", "a", "-m", opened_by["LM"], "--ray", "local")
    assert (done.code, done.out) == (2, "")
    assert done.err == "seqcli score: error: --ray: needs the package ray; pip install 'seqcli[ray]'\n"


def test_a_model_of_the_hub_is_opened_at_the_same_commit_by_workers():
    commit = "0123456789" * 4
    cache = f"/cache/models--org--name/snapshots/{commit}"
    given = ["hf:org/name", "x=hf:org/name@main", "/a/folder", "y=/a/folder", "sample-english"]
    found = [f"hf:org/name={cache}", f"x={cache}", "/a/folder", "y=/a/folder", "sample-english=/cache/of/it"]
    pinned = f"hf:org/name@{commit}"
    assert sources.pinned(given, found) == [f"hf:org/name={pinned}", f"x={pinned}", *given[2:]]


def test_a_worker_uses_one_core():
    machine = BatchMachine(ray="local", threads=8, device="cuda", precision="bf16")
    assert machine.of_worker == BatchMachine(threads=1, device="cuda", precision="bf16")
    assert BatchMachine(threads=8).of_worker == BatchMachine(threads=8)
