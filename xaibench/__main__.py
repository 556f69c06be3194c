"""`python -m xaibench` is the same as `xaibench`."""

from xaibench.cli import main

if __name__ == "__main__":
    main()
