# Completion of mmd(1) for fish.

set -l commands run check cancel flatten resume status alert report
set -l trades "not __fish_seen_subcommand_from paper"
complete -c mmd -f
complete -c mmd -n __fish_use_subcommand -a paper -d "the paper exchange on its own"
complete -c mmd -n "$trades; and not __fish_seen_subcommand_from $commands" -a "$commands"
complete -c mmd -n $trades -s c -l config -r -F -d "the configuration"
complete -c mmd -n $trades -l symbol -x -d "trade another symbol"
complete -c mmd -n $trades -l data -r -F -d "the recording to play"
complete -c mmd -n "__fish_seen_subcommand_from check status report" -l json -d "as one JSON object"
complete -c mmd -n "__fish_seen_subcommand_from check" -l offline -d "without the network"
complete -c mmd -n "__fish_seen_subcommand_from status" -l watch -d "a live view"
complete -c mmd -n "__fish_seen_subcommand_from status" -l all -d "every market of this host"
complete -c mmd -n "__fish_seen_subcommand_from report" -l since -x -d "from this time on"
complete -c mmd -n "__fish_seen_subcommand_from report" -l until -x -d "before this time"
complete -c mmd -n "__fish_seen_subcommand_from report" -l csv -r -a "(__fish_complete_directories)" -d "write tables into"
complete -c mmd -n "__fish_seen_subcommand_from report" -l html -r -F -d "write a page to"
complete -c mmd -n $trades -l version -d "print the version"
complete -c mmd -s h -l help -d "print the options"
for option in rest-port ws-port speed seed volatility balance usdf user chain-id
    complete -c mmd -n "__fish_seen_subcommand_from paper" -l $option -x
end
complete -c mmd -n "__fish_seen_subcommand_from paper" -l market -x -a "synthetic replay"
complete -c mmd -n "__fish_seen_subcommand_from paper" -l symbol -x
complete -c mmd -n "__fish_seen_subcommand_from paper" -l data -r -F
complete -c mmd -n "__fish_seen_subcommand_from paper" -l loop
complete -c mmd -n "__fish_seen_subcommand_from paper" -l no-loop
