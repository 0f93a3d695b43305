"""`mcqa push`: a run on the Hugging Face Hub, or the folder that would be uploaded."""

import tempfile
from pathlib import Path

import click

from mcqa.cli.common import format_option, print_result, say
from mcqa.evaluation import numbers


@click.command("push")
@click.argument("run")
@click.argument("repo")
@click.option("--dry-run", is_flag=True, help="Only write the folder, to --output.")
@click.option("--output", help="Folder to write with --dry-run; new or empty.")
@click.option("--private", is_flag=True, help="Only you may see the repository.")
@click.option("--revision", help="Branch to write to; default: the main one.")
@click.option("--message", help="Of the commit.")
@click.option(
    "--evaluation",
    "evaluations",
    multiple=True,
    help="Folder of `mcqa evaluate` with this run's scores; repeat it for several.",
)
@click.option("--base", help="The base's name for others, where it is a local folder.")
@click.option("--license", "licence", help="Of the base; default: what its own card says.")
@format_option
def command(run, repo, dry_run, output, private, revision, message, output_format, **folder_of):
    """Upload RUN to the repository REPO of the Hugging Face Hub, with a model card.

    Uploaded are the adapter and head, the tokenizer, run.json and the card; no questions,
    predictions, logs or checkpoints, and of paths only the last part. The token is the one of
    `hf auth login` or HF_TOKEN.

    \b
    mcqa push runs/head jo/head --dry-run --output push
    mcqa push runs/head jo/head --private --evaluation runs/evaluation
    """
    from mcqa.export.push import prepare_folder, upload
    from mcqa.runs.card import UNKNOWN_LICENCE

    if dry_run != bool(output):
        raise click.UsageError("--dry-run and --output go together.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(output) if dry_run else Path(temporary) / "run"
        files, said = prepare_folder(run, repo, folder, **folder_of)
        if said == UNKNOWN_LICENCE:
            say("The licence of the base is not known, and the card says so; --license NAME.")
        total = f"{numbers.format_bytes(sum(files.values()))} in {len(files)} files"
        url = None
        if not dry_run:
            say(f"Uploading {total} to {repo}")
            url = upload(folder, repo, private=private, revision=revision, message=message)
    lines = [f"{numbers.format_bytes(size):>10}  {name}" for name, size in files.items()]
    lines.append(f"{total}: {url or f'{folder}. Nothing was uploaded.'}")
    result = {"repository": repo, "url": url, "files": files}
    print_result(result, output_format, lambda result: click.echo("\n".join(lines)))
