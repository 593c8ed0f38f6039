# Completion of mmd(1) for bash.

_mmd() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} commands="run check cancel flatten resume status alert report" options each
    if [[ ${COMP_WORDS[1]} == paper ]]; then
        case $before in
            --market) COMPREPLY=($(compgen -W "synthetic replay" -- "$word")); return ;;
            --data) COMPREPLY=($(compgen -f -- "$word")); return ;;
            --rest-port | --ws-port | --symbol | --speed | --seed | --volatility | --balance | --usdf | --user | --chain-id) return ;;
        esac
        options="--rest-port --ws-port --symbol --market --data --speed --loop --no-loop --seed --volatility --balance --usdf --user --chain-id --help"
        COMPREPLY=($(compgen -W "$options" -- "$word"))
        return
    fi
    case $before in
        -c | --config) COMPREPLY=($(compgen -f -X '!*.y?(a)ml' -- "$word") $(compgen -d -S / -- "$word")); compopt -o nospace; return ;;
        --data | --html) COMPREPLY=($(compgen -f -- "$word")); return ;;
        --csv) COMPREPLY=($(compgen -d -- "$word")); return ;;
        --symbol | --since | --until) return ;;
    esac
    options="-c --config --symbol --data --version --help"
    for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $each in
            check) options+=" --json --offline" commands= ;;
            status) options+=" --json --watch --all" commands= ;;
            report) options+=" --json --since --until --csv --html" commands= ;;
            run | cancel | flatten | resume | alert) commands= ;;
        esac
    done
    [[ $COMP_CWORD == 1 ]] && commands="paper status"
    COMPREPLY=($(compgen -W "$commands $options" -- "$word"))
}
complete -F _mmd mmd
