"""A project of few modules, for tests of what reads the imports of the real one."""

from pathlib import Path


def plant(root: Path, sources: dict[str, str] | None = None) -> Path:
    """A tree of three rooms below `segassay` and one above it; `sources` adds or replaces modules of `segassay`."""
    tree = {
        "docs/rooms.yaml": "segassay_monai: [study]\nsegassay: [judgement, tables, io]\n",
        "src/segassay_monai/__init__.py": "",
        "src/segassay_monai/study.py": "import torch\nfrom segassay.judgement import verdicts\n",
        "evaluation/segassay/__init__.py": "__version__ = '1'\ndef __getattr__(name):\n    import_module(HOME[name])\n",
        "evaluation/segassay/judgement/__init__.py": "",
        "evaluation/segassay/judgement/verdicts.py": "from segassay import __version__\nimport segassay.tables.build\n",
        "evaluation/segassay/tables/__init__.py": "",
        "evaluation/segassay/tables/build.py": "def build():\n    from segassay.io import read\n",
        "evaluation/segassay/tables/case.py": "from segassay.tables.build import build\n",
        "evaluation/segassay/io.py": "import numpy\n",
    }
    tree |= {f"evaluation/segassay/{module}.py": source for module, source in (sources or {}).items()}
    for name, source in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root
