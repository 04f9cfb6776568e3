"""Download parts of LibriSpeech and its public alignments: resumed when broken off, checked by MD5, unpacked."""

from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.corpora.download import Fetcher, download
from hubert_iter.corpora.public_alignments import ALIGNMENTS_URL, download_alignments


def main(argv=None) -> None:
    """Fetch CORPUS/PART for each part, and ALIGNMENTS/PART."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--parts", nargs="+", required=True, help="parts to fetch: train-clean-100 dev-clean")
    parser.add_argument("--corpus", type=Path, required=True, help="LibriSpeech folder that will hold the parts")
    parser.add_argument("--url", default="", help="folder of the archives, say a mirror; default: www.openslr.org")
    parser.add_argument("--alignments", type=Path, help="folder for the public alignments; left alone unless given")
    parser.add_argument("--alignments_url", default=ALIGNMENTS_URL, help="the alignments' zip or tar.gz")
    parser.add_argument("--attempts", type=int, default=5, help="attempts without progress before giving up")
    parser.add_argument("--wait", type=float, default=10.0, help="seconds between attempts")
    args = parser.parse_args(argv)
    fetcher = Fetcher(attempts=args.attempts, wait=args.wait)
    download(args.parts, args.corpus, args.url, fetcher)
    if args.alignments:
        download_alignments(args.parts, args.corpus, args.alignments, args.alignments_url, fetcher)


if __name__ == "__main__":
    cli.run(main)
