"""Our own HTTP interface."""

from fastapi import APIRouter

from deploy.v1 import learning, network, predict, revisions

__all__ = ["router"]

router = APIRouter()
router.include_router(predict.router)
router.include_router(learning.router)
router.include_router(network.router)
router.include_router(revisions.router)
