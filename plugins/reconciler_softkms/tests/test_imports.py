"""What a command pays for a key service that it only looks at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LOOK = """
import sys
from pathlib import Path
from reconciler.access.caller import Caller
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.providers.plugin import ProviderServices
from reconciler_softkms import SoftKms
who = "arn:aws:iam::111122223333:role/reconciler"
services = ProviderServices(
    name="kms", account="111122223333", region="eu-west-1", principal=who, home=Path(sys.argv[1]),
    fs=OsFs(), clock=SystemClock(), random=SystemRandom(),
)
kms = SoftKms(SoftKms.config_model(), services, None)
assert kms.list_keys(Caller(principal=who, account="111122223333")) == []
kms.close()
for costly in ("cryptography", "networkx", "yaml", "pyarrow", "duckdb"):
    assert costly not in sys.modules, costly
"""


def test_looking_imports_no_cryptography_and_no_engine(tmp_path: Path) -> None:
    paths = f"{ROOT}:{ROOT / 'plugins'}"
    subprocess.run([sys.executable, "-c", LOOK, str(tmp_path)], check=True, env={"PYTHONPATH": paths})
