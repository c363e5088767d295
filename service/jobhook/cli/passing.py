"""Commands that hand words on to a job, whatever these look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from typer.core import TyperCommand, TyperOption

from jobhook.cli.output import warn

if TYPE_CHECKING:
    from typer._click import Context


class PassingOn(TyperCommand):
    """
    A command whose own options end with its last own argument: an image or a script.

    The official client takes options of its own out of the words that follow as well; here they
    belong to the job, and are told of where they are easily meant otherwise.
    """

    own_arguments: ClassVar[int] = 1

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        options, arguments, left = self._parted(args)
        for name in dict.fromkeys(word.partition("=")[0] for word in left):
            if name.startswith("--") and name in self._own_options():
                before = f"options of jobhook stand before {arguments[-1]}"
                warn(f"jobhook: {name} goes to the job: {before}")
        handed_on = ["--", *arguments, *left] if arguments else []
        return super().parse_args(ctx, [*options, *handed_on])

    def _parted(self, args: list[str]) -> tuple[list[str], list[str], list[str]]:
        options: list[str] = []
        arguments: list[str] = []
        left = list(args)
        while left and len(arguments) < self.own_arguments:
            word = left.pop(0)
            if word == "--":
                missing = self.own_arguments - len(arguments)
                arguments, left = [*arguments, *left[:missing]], left[missing:]
                break
            if word.startswith("-") and word != "-":
                taken = 1 if self._takes_next(word) else 0
                options, left = [*options, word, *left[:taken]], left[taken:]
            else:
                arguments.append(word)
        return options, arguments, left[1:] if left[:1] == ["--"] else left

    def _takes_next(self, word: str) -> bool:
        takes_value = self._own_options()
        if word.startswith("--"):
            return takes_value.get(word, False)
        # Letters in one word: the first that takes a value takes what follows it there.
        for at, letter in enumerate(word[1:], start=1):
            if takes_value.get(f"-{letter}"):
                return at == len(word) - 1
        return False

    def _own_options(self) -> dict[str, bool]:
        """Return whether it takes a value, for every name of an option."""
        return {
            name: not option.is_flag
            for option in self.params
            if isinstance(option, TyperOption)
            for name in (*option.opts, *option.secondary_opts)
        }


class ScheduledPassingOn(PassingOn):
    """The same for a command whose first argument is the schedule."""

    own_arguments = 2
