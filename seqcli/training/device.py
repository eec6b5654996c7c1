"""Device, precision and threads of a neural model, in training and inference."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from seqcli.errors import UsageError
from seqcli.nn.device import choose_threads
from seqcli.nn.linear import INT4, W8A8
from seqcli.system import torchrun

PRECISIONS = {
    "fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.int8, "w8a8": W8A8,
    "int4": INT4,
}  # fmt: skip


@dataclass(frozen=True)
class Placement:
    """Device, dtype and threads. autocast computes matrix products in `dtype`; weights and sums stay in float32. int8,
    w8a8 and int4 are for inference only."""

    device: torch.device
    dtype: torch.dtype

    def autocast(self):
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    @property
    def precision(self) -> str:
        return next(name for name, dtype in PRECISIONS.items() if dtype == self.dtype)


def place(device: str = "auto", precision: str = "auto", *, threads: int | None = None) -> Placement:
    """Chooses a placement. auto: a GPU if there is one, one per rank under torchrun; bfloat16 if the device
    supports it natively."""
    choose_threads(threads)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        where = torch.device(device)
    except (RuntimeError, TypeError):  # lists devices of every build of PyTorch
        raise UsageError(f"no such device: {device!r}", cure="use auto, cpu, cuda, cuda:N or mps") from None
    try:
        if where.type == "cuda" and not torch.cuda.is_available():
            raise RuntimeError("no CUDA device")
        if where.type == "cuda" and torchrun.world() > 1:
            where = torch.device("cuda", torchrun.local_rank())
            torch.cuda.set_device(where)
        torch.empty(1, device=where)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"no such device: {device!r} ({str(error).splitlines()[0]})", cure="use --device cpu"
        ) from None
    if where.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # otherwise recurrent layers would multiply in TF32 instead of fp32
    if precision in ("int8", "w8a8", "int4") and where.type != "cpu":
        raise UsageError(f"--precision {precision} needs the CPU, not {where.type}", cure="use --precision bf16")
    if precision == "w8a8" and not torch.cpu._is_vnni_supported():
        raise UsageError("--precision w8a8 is not supported by this CPU", cure="use --precision int8")
    if precision == "fp16" and where.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_fp16_supported():
        raise UsageError(
            "--precision fp16 is not supported by this CPU", cure="use --precision bf16"
        )  # recurrent cells have no kernel
    if precision == "auto":
        precision = "bf16" if _multiplies_bfloat16(where) else "fp32"
    return Placement(where, PRECISIONS[precision])


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type == "cpu":
        try:
            with open("/proc/cpuinfo", encoding="utf-8") as file:
                return "avx512_bf16" in file.read() or torch.cpu._is_amx_tile_supported()
        except OSError:
            return False
    return False
