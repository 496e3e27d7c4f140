"""The messages of the Open Inference Protocol's gRPC service, as Serve's processes pass them on.

While no replica is known to be well (as they start, or are replaced), HAProxy hands calls to
Serve's own proxy, and that pickles messages for the replica. Their classes name a module
`grpc_service_pb2`, which is nowhere to be imported from: here it becomes the one that they are in.
Both processes import this module, the proxy for SERVICER; so it imports nothing large.
"""

from __future__ import annotations

import sys

from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import add_GRPCInferenceServiceServicer_to_server

__all__ = ["SERVICER", "add_GRPCInferenceServiceServicer_to_server", "pb"]

SERVICER = f"{__name__}.add_GRPCInferenceServiceServicer_to_server"
"""What tells Serve the names and messages of the service."""

sys.modules.setdefault(pb.ServerLiveRequest.__module__, pb)
