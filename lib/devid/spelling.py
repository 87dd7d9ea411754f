"""What somebody may have meant who wrote a name that is not known; loaded only for that."""


def suggestion(name, known):
    """Return what to write instead of `name` (str): the nearest of the known ones, or all."""
    least, nearest = 3, None  # two slips of the finger; what is further off means something else
    for other in known:
        if abs(len(name) - len(other)) >= least:
            continue
        # Levenshtein's distance, row by row.
        row = list(range(len(other) + 1))
        for i in range(len(name)):
            corner, row[0] = row[0], i + 1
            for j in range(len(other)):
                changed = corner + (name[i] != other[j])
                corner = row[j + 1]
                row[j + 1] = min(changed, corner + 1, row[j] + 1)
        if row[-1] < least:
            least, nearest = row[-1], other
    if nearest:
        return "do you mean %s?" % nearest
    return "known are " + ", ".join(sorted(known))
