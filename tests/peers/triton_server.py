"""A Marquee artifact behind NVIDIA's Triton: `python triton_server.py --model DIR --port PORT`.

Needs nvidia-pytriton, which carries the server, numpy and safetensors. All that Triton offers works: binary tensors,
compression, statistics of its own.
"""

import os
import signal
import sys
import sysconfig

from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from marquee_als import INPUTS, MOST_HISTORIES, OUTPUTS, Als, options, say_when_ready


def main():
    arguments = options("Triton")
    model = Als(arguments.model)

    def infer(requests):
        return [dict(zip(("items", "scores"), answer(request))) for request in requests]

    def answer(request):
        limit = (request.parameters or {}).get("limit")
        return model.answer(request["history"], request.data.get("weights"), limit)

    # Triton starts a Python of its own, which must find the library of this one.
    libraries = [sysconfig.get_config_var("LIBDIR"), os.environ.get("LD_LIBRARY_PATH")]
    os.environ["LD_LIBRARY_PATH"] = ":".join(filter(None, libraries))
    # Leaving the block below stops Triton and removes its working folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    config = TritonConfig(
        http_address="127.0.0.1", http_port=arguments.port, allow_grpc=False, allow_metrics=False, exit_timeout_secs=5
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name=model.name,
            infer_func=infer,
            inputs=[tensor(name, dtype, optional=name == "weights") for name, _, dtype in INPUTS],
            outputs=[tensor(name, dtype) for name, _, dtype in OUTPUTS],
            config=ModelConfig(max_batch_size=MOST_HISTORIES),
        )
        say_when_ready(model, arguments.port)
        triton.serve()


def tensor(name, dtype, optional=False):
    """A tensor of any length; the dimension of the batch goes without saying."""
    return Tensor(name=name, dtype=dtype, shape=(-1,), optional=optional)


if __name__ == "__main__":
    main()
