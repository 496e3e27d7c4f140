"""The Open Inference Protocol (KServe V2) over HTTP."""

from deploy.v2.routes import router

__all__ = ["router"]
