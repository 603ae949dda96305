"""A Marquee artifact behind MLServer: `python mlserver_server.py --model DIR --port PORT`.

Needs mlserver, numpy and safetensors. MLServer speaks JSON alone over HTTP: it has no binary tensors.
"""

import asyncio

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceResponse, MetadataTensor

from marquee_als import INPUTS, OUTPUTS, Als, options, say_when_ready


class Marquee(MLModel):
    """The runtime; `parameters.uri` is the artifact's folder."""

    async def load(self):
        self.als = Als(self.settings.parameters.uri)
        self.inputs, self.outputs = metadata(INPUTS), metadata(OUTPUTS)
        return True

    async def predict(self, payload):
        limit = getattr(payload.parameters, "limit", None)
        try:
            given = {tensor.name: NumpyCodec.decode_input(tensor) for tensor in payload.inputs}
            answer = self.als.answer(given.get("history"), given.get("weights"), limit)
        except ValueError as error:
            raise InferenceError(str(error)) from error
        outputs = [NumpyCodec.encode_output(name, tensor) for (name, *_), tensor in zip(OUTPUTS, answer)]
        return InferenceResponse(id=payload.id, model_name=self.name, model_version=self.version, outputs=outputs)


def metadata(tensors):
    return [MetadataTensor(name=name, datatype=datatype, shape=[-1, -1]) for name, datatype, _ in tensors]


async def serve():
    arguments = options("MLServer")
    model = Als(arguments.model)
    settings = Settings(
        host="127.0.0.1",
        http_port=arguments.port,
        # There is no switch for gRPC: on a port of the system's choice it is in nobody's way.
        grpc_port=0,
        metrics_endpoint=None,
        parallel_workers=0,
        debug=False,
    )
    server = MLServer(settings)
    parameters = {"uri": str(arguments.model), "version": model.version}
    serving = asyncio.create_task(
        server.start([ModelSettings(name=model.name, implementation=Marquee, parameters=parameters)])
    )
    say_when_ready(model, arguments.port)
    await serving


if __name__ == "__main__":
    asyncio.run(serve())
