# bash completion for serinctl: asks serinctl itself what may follow, so it is never behind it.

_serinctl() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word help
  local commands=()
  # The subcommands typed so far: an option's value would not be one, and help about the command before it does no harm.
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -* | *@* | */*) continue ;; esac
    help=$(serinctl "${commands[@]}" --help 2>/dev/null) || return
    grep -qE "^  $word " <<<"$(sed -n '/^Subcommands:/,$p' <<<"$help")" && commands+=("$word")
  done
  help=$(serinctl "${commands[@]}" --help 2>/dev/null) || return

  # The words of a choice: `--output table|json:{table,json}`.
  local choice
  choice=$(grep -oE "^  $previous [^ ]*\{[^}]*\}" <<<"$help" | grep -oE '\{.*\}' | tr -d '{}' | tr ',' ' ')
  if [ -n "$choice" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$choice" -- "$current")
    return
  fi
  case $previous in --config | --token-file | --out | --policy | --credentials | --key | --tokens)
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    return ;;
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(grep -oE '^  (-h,)?--[a-z-]+' <<<"$help" | grep -oE -- '--[a-z-]+')" -- "$current")
    return
  fi
  mapfile -t COMPREPLY < <(compgen -W "$(sed -n '/^Subcommands:/,$p' <<<"$help" | grep -oE '^  [a-z-]+')" -- "$current")
  # Captures and policies are files; deploys and versions are not known here.
  grep -qE '^  files? FILE' <<<"$help" && mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
}
complete -o filenames -F _serinctl serinctl
