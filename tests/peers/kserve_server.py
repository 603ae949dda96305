"""A Marquee artifact behind KServe's own server: `python kserve_server.py --model DIR --port PORT`.

Needs kserve, numpy and safetensors.
"""

from kserve import InferOutput, InferResponse, Model, ModelServer, model_server
from kserve.errors import InvalidInput
from kserve.protocol.rest.server import RESTServer
from kserve.utils.utils import generate_uuid

from marquee_als import INPUTS, OUTPUTS, Als, options, say_when_ready


class Loopback(RESTServer):
    """The server on 127.0.0.1. Of itself it listens on every interface, as in a pod, and has no option for that."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.config.host = "127.0.0.1"


class Marquee(Model):
    def __init__(self, als):
        super().__init__(als.name)
        self.als = als
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        limit = (payload.parameters or {}).get("limit")
        try:
            given = {tensor.name: tensor.as_numpy() for tensor in payload.inputs}
            answer = self.als.answer(given.get("history"), given.get("weights"), limit)
        except ValueError as error:
            raise InvalidInput(str(error)) from error
        return InferResponse(
            # Its JSON replies must have an id, although requests need not.
            response_id=payload.id or generate_uuid(),
            model_name=self.name,
            infer_outputs=[output(*described, tensor) for described, tensor in zip(OUTPUTS, answer)],
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )

    def get_input_types(self):
        return metadata(INPUTS)

    def get_output_types(self):
        return metadata(OUTPUTS)


def output(name, datatype, _, tensor):
    made = InferOutput(name, list(tensor.shape), datatype)
    made.set_data_from_numpy(tensor, binary_data=False)
    return made


def metadata(tensors):
    return [{"name": name, "datatype": datatype, "shape": [-1, -1]} for name, datatype, _ in tensors]


if __name__ == "__main__":
    arguments = options("KServe")
    als = Als(arguments.model)
    model_server.RESTServer = Loopback
    say_when_ready(als, arguments.port)
    ModelServer(http_port=arguments.port, enable_grpc=False).start([Marquee(als)])
