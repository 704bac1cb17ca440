"""Text to tokens, exactly as the Rust reader does it."""

import regex

MAX_PART = 40
WORD = regex.compile(r"[\p{Alphabetic}\p{Nd}\p{Nl}\p{No}]+")
NUMBER = regex.compile(r"[\p{Nd}\p{Nl}\p{No}]")


def kind(char):
    """The class of a character: lower, Upper, Digit or neither."""
    if char.islower():
        return "l"
    if char.isupper():
        return "U"
    return "D" if NUMBER.match(char) else "-"


def split_run(run):
    """Split a run of letters and digits at case, acronym, and digit boundaries."""
    parts, start = [], 0
    kinds = [kind(c) for c in run]
    for i in range(1, len(run)):
        before, here = kinds[i - 1], kinds[i]
        if (
            (before == "l" and here == "U")
            or (before == "D") != (here == "D")
            or (before == here == "U" and i - start > 0 and kinds[i + 1:i + 2] == ["l"])
        ):
            parts.append(run[start:i])
            start = i
    parts.append(run[start:])
    return parts


def lower(text):
    """Lowercase char by char, without the context rules of whole-string lowering."""
    return text.lower() if text.isascii() else "".join(c.lower() for c in text)


def words(text):
    """The lowercased parts of a text, in order."""
    out = []
    for run in WORD.findall(text):
        if run.isascii() and (run.islower() or run.isdigit()) and (run.isalpha() or run.isdigit()):
            out.append(run[:MAX_PART])
        else:
            out.extend(lower(p[:MAX_PART]) for p in split_run(run))
    return out


class Vocabulary:
    """Whole words and pieces, with the index of each entry."""

    def __init__(self, entries):
        self.entries = list(entries)
        self.index = {e: i for i, e in enumerate(self.entries)}
        self.longest = max(len(e) for e in self.entries)
        self.cache = {}

    def pieces(self, word):
        """The token ids of one part."""
        found = self.index.get(word)
        if found is not None:
            return (found,)
        cached = self.cache.get(word)
        if cached is not None:
            return cached
        ids, at = [], 0
        prefix = ""
        while at < len(word):
            for end in range(min(len(word), at + self.longest), at, -1):
                found = self.index.get(prefix + word[at:end])
                if found is not None:
                    ids.append(found)
                    at = end
                    break
            else:
                at += 1
            prefix = "##"
        if len(self.cache) < 2_000_000:
            self.cache[word] = tuple(ids)
        return tuple(ids)

    def encode(self, text, limit=None):
        """The token ids of a text, optionally of its first `limit` parts."""
        return self.encode_words(words(text)[:limit])

    def encode_words(self, parts):
        """The token ids of parts that are already split."""
        out = []
        for part in parts:
            out.extend(self.pieces(part))
        return out
