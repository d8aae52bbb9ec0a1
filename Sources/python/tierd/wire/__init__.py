"""The worker protocol (docs/protocol.md): frames over a SOCK_SEQPACKET socket, and the memory that comes with them.

`worker_pb2.py` is generated; after a change of the messages, from the root of the repository:

    protoc -I tierd/wire=Sources/TierWire/Messages --python_out=Sources/python tierd/wire/worker.proto
"""
