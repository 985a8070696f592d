# Shared by the scripts that ask whether speech is understood: the corpus's grammar for pocketsphinx, recognition, word error rates as
# configs/dia-demo/recipe/wer.py measures them. Expects $recipe (that folder) and $work (a folder of the caller's).
# Needs from Debian: apt-get install sox pocketsphinx pocketsphinx-en-us

# "(one | two | ...)": the words of a list in recipe/grammar.py, so that they stand in one place.
list() {
    awk -v name="$1" '$1 == name && $2 == "=" { on = 1 } on { print } on && /\]/ { exit }' "$recipe/grammar.py" | grep -o '"[^"]*"' | tr '[:upper:]' '[:lower:]' | tr -d '",' | sed "${2:-}" | paste -sd '|' | sed 's/|/ | /g; s/.*/(&)/'
}
subject=$(list SUBJ) verb=$(list VERB) adjective=$(list ADJ) noun=$(list NOUN) number=$(list NUM) place=$(list PLACE)
cat > "$work/demo.gram" <<END
#JSGF V1.0;
grammar demo;
public <script> = <s> [<s>] [<s>];
<s> = $(list FIXED) | $number $number [$number] [$number] [$number] | $subject $verb the $adjective $noun
 | the $noun is $adjective $(list TIME) | $subject $verb $number $adjective $(list NOUN 's/$/s/; s/^storys$/stories/') $place | do you $verb the $noun $place;
END

# Recognises $1.wav into $1.heard. Silence around it, since the recogniser loses the first and last word otherwise.
recognise() {
    sox "$1.wav" -r 16000 -c 1 -b 16 "$1.padded.wav" pad 0.3 0.5
    pocketsphinx_continuous -infile "$1.padded.wav" -jsgf "${1%/*}/demo.gram" -vad_threshold 3.5 -logfn /dev/null -remove_silence no > "$1.heard"
}
export -f recognise

# word_error NAME COUNT: the word error rate of $work/1.wav to COUNT.wav, whose texts are in $work/N.text. With verbose=1 every sentence too.
word_error() {
    seq -f "$work/%g" "$2" | xargs -P "$(nproc)" -I '{}' bash -c 'recognise "$1"' recognise '{}'
    for ((i = 1; i <= $2; i++)); do
        printf '%s\t%s\n' "$(cat "$work/$i.text")" "$(tr '\n' ' ' < "$work/$i.heard")"
    done | awk -F '\t' -v name="$1" -v verbose="${verbose:-0}" '
        # Levenshtein distance in words.
        function distance(a, b, n, m,   i, j, above, diagonal, best, d) {
            for (j = 0; j <= m; j++) d[j] = j
            for (i = 1; i <= n; i++) {
                diagonal = d[0]; d[0] = i
                for (j = 1; j <= m; j++) {
                    above = d[j]
                    best = diagonal + (a[i] != b[j])
                    if (above + 1 < best) best = above + 1
                    if (d[j - 1] + 1 < best) best = d[j - 1] + 1
                    d[j] = best; diagonal = above
                }
            }
            return d[m]
        }
        {
            said = tolower($1); gsub(/\[s[0-9]\]/, " ", said); gsub(/[^a-z ]/, "", said); gsub(/storys/, "stories", said)
            n = split(said, a, " "); m = split(tolower($2), b, " ")
            e = distance(a, b, n, m)
            words += n; errors += e
            if (verbose) printf "%d of %d |%s | %s\n", e, n, said, $2
        }
        END { printf "%s: %d errors in %d words, word error rate %.3f\n", name, errors, words, errors / words }'
}
