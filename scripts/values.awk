# Makes rows of a table out of the chart's values.yaml: names, what they are by default, and the comment above them.
# -v leaves=FILE has the names that a row ends at, one a line; what lies below them is the user's own. -v names=1 prints the names alone.
BEGIN { while ((getline name <leaves) > 0) leaf[name] = 1 }

function row(name, value, text) {
    if (names) { print name; return }
    gsub(/\|/, "\\|", text); gsub(/\|/, "\\|", value)
    print "| `" name "` | " (value == "" ? "" : "`" value "`") " | " text " |"
}

/^ *#/ { text = $0; sub(/^ *# ?/, "", text); said = said == "" ? text : said " " text; next }
/^ *$/ { said = ""; next }
/^ *[A-Za-z0-9_]+:/ {
    match($0, /^ */); depth = RLENGTH / 2
    if (skip != "" && depth > skip) next
    skip = ""
    name = $0; sub(/^ */, "", name); sub(/:.*/, "", name)
    value = $0; sub(/^ *[A-Za-z0-9_]+: */, "", value); sub(/^&[a-z]+ */, "", value)
    path[depth] = name; full = path[0]
    for (i = 1; i <= depth; i++) full = full "." path[i]
    if (full in leaf) { row(full, value ~ /^\*/ ? "" : value, said); skip = depth }
    else if (value ~ /^\*/) { row(full, "", "as that of the ones above"); skip = depth }
    else if (said != "" && !names) row(full, "", said)
    said = ""
    next
}
{ said = "" }
