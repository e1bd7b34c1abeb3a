"""The protocol: operations to requests and back, results and errors to responses and back. No I/O.

Client and server cannot drift apart, because neither knows the protocol: only these functions do. For
every operation `decode_request(encode_request(op)) == op`, and for every result
`decode_response(op, encode_response(op, result)) == result`. What is read is wider than what is
written, since both sides meet programs older than themselves.
"""

from .extensions import decode_capabilities, encode_capabilities
from .messages import Request, Response, header
from .requests import decode_request, encode_request
from .responses import decode_response, encode_response

__all__ = [
    "Request",
    "Response",
    "decode_capabilities",
    "decode_request",
    "decode_response",
    "encode_capabilities",
    "encode_request",
    "encode_response",
    "header",
]
