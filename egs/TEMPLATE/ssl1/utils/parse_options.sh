# Source this file after the options of a script. Each option is one line of the script, above this one's:
#   name=default  # What it is for.
# A line "# Title" before options is a heading of the help text, a comment alone on an indented line goes on with the
# text before it. Then `--name value` sets the variable; later options override earlier ones. An option whose default
# is a whole number, a decimal number, or true or false, takes only such values. Values are never evaluated.
# A script whose users set other things elsewhere defines a function `elsewhere`: with --where NAME it prints what to say
# of an option that is not the script's, or nothing; without, the end of the help text.
# shellcheck shell=bash

_po_names=() _po_texts=() _po_kinds=() _po_layout=()

# Read the calling script's option lines.
_po_read() {
    local line name
    while IFS= read -r line; do
        case ${line} in *parse_options.sh*) [ "${line#\#}" = "${line}" ] && break ;; esac
        if [[ ${line} =~ ^([a-z][a-z0-9_]*)=.*[[:space:]]\#\ (.*)$ ]]; then
            name=${BASH_REMATCH[1]}
            _po_layout+=("${#_po_names[@]}")
            _po_names+=("${name}")
            _po_texts+=("${BASH_REMATCH[2]}")
            case ${!name} in
                true | false) _po_kinds+=(flag) ;;
                "" | *[!0-9.]* | .) _po_kinds+=(text) ;;
                *.*) _po_kinds+=(number) ;;
                *) _po_kinds+=(integer) ;;
            esac
        elif [[ ${line} =~ ^\ +\#\ (.*)$ ]] && [ ${#_po_names[@]} -gt 0 ]; then
            _po_texts[${#_po_names[@]} - 1]+=" ${BASH_REMATCH[1]}"
        elif [[ ${line} =~ ^\#\ (.*)$ ]]; then
            _po_layout+=("# ${BASH_REMATCH[1]}")
        fi
    done <"$1"
}

_po_help() {
    local item name headings=""
    for item in "${_po_layout[@]}"; do
        if [[ ${item} == "# "* ]]; then
            headings+="${item#\# }"$'\n'
        else
            # Comments that no option follows are none of the help text.
            printf '%s' "${headings}"
            headings=
            name=${_po_names[item]}
            printf '  --%-22s %s (now: %s)\n' "${name}" "${_po_texts[item]}" "${!name:-empty}"
        fi
    done
    _po_elsewhere
}

# The known option with the smallest edit distance.
_po_nearest() {
    printf '%s\n' "${_po_names[@]}" | awk -v word="$1" '
        function min(x, y) { return x < y ? x : y }
        {
            n = length(word); m = length($0)
            for (j = 0; j <= m; j++) d[0, j] = j
            for (i = 1; i <= n; i++) {
                d[i, 0] = i
                for (j = 1; j <= m; j++)
                    d[i, j] = min(min(d[i - 1, j], d[i, j - 1]) + 1,
                                  d[i - 1, j - 1] + (substr(word, i, 1) != substr($0, j, 1)))
            }
            # A word that is part of the other one is near whatever its length.
            near = d[n, m] - (index($0, word) || index(word, $0) ? n : 0)
            if (NR == 1 || near < best) { best = near; name = $0 }
        }
        END { print name }'
}

# What the script says of options that are not its own; nothing where it does not, or cannot yet.
_po_elsewhere() {
    if declare -F elsewhere >/dev/null; then elsewhere "$@" 2>/dev/null || true; fi
}

_po_unknown() {
    local told
    told=$(_po_elsewhere --where "$1")
    _po_fail "${told:-unknown option --$1 (did you mean --$(_po_nearest "$1")?)}. --help lists all options"
}

_po_fail() {
    echo "${_po_script}: $1" >&2
    exit 2
}

_po_set() {
    local name=$1 value=$2 index kind=""
    for index in "${!_po_names[@]}"; do
        [ "${_po_names[index]}" = "${name}" ] && kind=${_po_kinds[index]}
    done
    case ${kind} in
        "") _po_unknown "${name}" ;;
        integer) [[ ${value} =~ ^-?[0-9]+$ ]] || _po_fail "--${name} expects a whole number, got '${value}'" ;;
        number) [[ ${value} =~ ^-?[0-9]*\.?[0-9]+([eE]-?[0-9]+)?$ ]] || _po_fail "--${name} expects a number, got '${value}'" ;;
        flag) [[ ${value} =~ ^(true|false)$ ]] || _po_fail "--${name} expects true or false, got '${value}'" ;;
    esac
    printf -v "${name}" '%s' "${value}"
}

_po_parse() {
    local word name wants_help=false
    while [ $# -gt 0 ]; do
        word=$1
        shift
        case ${word} in
            --help | -h) wants_help=true && continue ;;
            --?*) ;;
            *) _po_fail "unexpected word '${word}': options are given as --name value" ;;
        esac
        name=${word#--}
        name=${name%%=*}
        name=${name//-/_}
        if [[ ${word} == *=* ]]; then
            _po_set "${name}" "${word#*=}"
            continue
        fi
        # An unknown name is a better complaint than a missing value.
        [[ " ${_po_names[*]} " == *" ${name} "* ]] || _po_set "${name}" ""
        [ $# -gt 0 ] || _po_fail "--${name} needs a value"
        _po_set "${name}" "$1"
        shift
    done
    if ${wants_help}; then
        _po_help
        exit 0
    fi
}

_po_script=${BASH_SOURCE[1]}
# The script may have been called by a relative path before it went to its own folder.
[ -f "${_po_script}" ] || _po_script=${OLDPWD}/${_po_script}
_po_read "${_po_script}"
_po_parse "$@"
