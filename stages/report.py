"""What is still wrong, and why: report.html, figures and tables for plots/, and the findings as numbers."""

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.tools.report.report import report

SECTIONS = ("data", "folds", "given", "ingest", "members", "model", "pseudo", "report", "seed", "students", "trained")

if __name__ == "__main__":
    with stage("report"):
        count = report({name: params.section(name) for name in SECTIONS}, params.used_networks())
        print(f"report: {paths.REPORT} ({count} sections), {paths.PLOTS}/, {paths.FINDINGS}")
