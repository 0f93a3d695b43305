"""`mcqa index`: passages that questions can get as context, ready to be searched."""

from pathlib import Path

import click

from mcqa.cli.common import format_option, print_result, say
from mcqa.cli.inputs import reading_options


@click.command("index")
@click.argument("corpus")
@reading_options
@click.option("--output", required=True, metavar="DIR", help="Folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace the index that is there.")
@format_option
def command(corpus, reading, output, overwrite, output_format):
    """Index the passages of CORPUS for --context retrieved.

    CORPUS is a file of passages (rows with a field `text` and, if you like, `id`; or a .txt file, a
    passage a paragraph), or any questions that --data takes: then the passages are their
    explanations or, where there is none, their contexts, and each is kept from its own question.

    \b
    mcqa index train.jsonl --output idx
    mcqa score --model smollm2-135m --data q.jsonl --context retrieved --index idx --output p
    """
    from mcqa.data.reader import write_rejected
    from mcqa.retrieval.index import check_index_output, index_corpus

    folder = Path(output)
    check_index_output(folder, overwrite=overwrite)
    index, read = index_corpus(corpus, **reading.settings())
    for remark in read.remarks:
        say(f"{corpus}: {remark}")
    index.save(folder, overwrite=overwrite)
    if reading.skip_invalid:
        write_rejected(folder, read.rejected, announce=say)
    said = f"{len(index):,} passages of {corpus}: {folder}"
    result = {"folder": output, "passages": len(index), "checksum": index.checksum}
    print_result(result, output_format, lambda result: click.echo(said))
