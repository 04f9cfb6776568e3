"""YAML as users write it, read so that every fault is a YAMLError: the library's own loader has others too."""

from typing import Any

import yaml

MOST_BITS = 1000
"""Of a whole number. Larger ones are no floats, and Python does not print those of thousands of digits."""


class _Loader(yaml.SafeLoader):
    """As YAML's safe loader, but a key given twice is an error, not silently the last one."""

    def construct_mapping(self, node, deep=False):
        """A mapping."""
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode):
                raise _error("expected a word or a number as a key, found a list or a table", key)
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise _error(f"key '{key.value}' is given twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node, deep=False):
        """Any value. 2020-13-45 looks like a date and 0x_ like a number, and neither is one."""
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, str):
                value.encode()
        except UnicodeEncodeError:
            raise _error("found half of a surrogate pair, which is no character", node) from None
        except (ValueError, TypeError, KeyError, AttributeError):
            kind = node.tag.removeprefix("tag:yaml.org,2002:")
            raise _error(f"looks like {kind} and is not. Put text between quotation marks", node) from None
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise _error("found a number of hundreds of digits", node)
        return value


def _error(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def load(text: str) -> Any:
    """The value of a document; YAMLError for whatever is amiss."""
    try:
        return yaml.load(text, _Loader)
    except (ValueError, TypeError) as error:  # of what is built late: sets, and tables that are none
        raise yaml.YAMLError(f"no such value: {error}") from None
    except RecursionError:
        raise yaml.YAMLError("nested too deeply") from None
