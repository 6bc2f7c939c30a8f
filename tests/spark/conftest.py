"""One Spark for all tests of kokin.spark: on two cores, reachable from this machine only."""

import os
import shutil
import sys
from pathlib import Path

import pytest

SETTINGS = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "3",
    # With many plans and few rows, interpreting a plan is faster than compiling it.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


@pytest.fixture(scope="session")
def session(tmp_path_factory):
    sql = pytest.importorskip("pyspark.sql", reason="needs pyspark: pip install 'kokin[spark]'")
    home = os.environ.get("JAVA_HOME")
    if not (shutil.which("java") or (home and Path(home, "bin", "java").exists())):
        pytest.skip("Spark needs a Java runtime (17 or later): none on the PATH and no JAVA_HOME")
    work = tmp_path_factory.mktemp("spark")
    settings = {**SETTINGS, "spark.local.dir": str(work), "spark.sql.warehouse.dir": str(work / "warehouse")}
    builder = sql.SparkSession.builder.master("local[2]").appName("kokin tests")
    with pytest.MonkeyPatch.context() as patch:
        # Otherwise the workers are the python3 of the PATH, which cannot import kokin.
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = builder.config(map=settings).getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()
