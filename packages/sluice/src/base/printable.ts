/** Text of others in messages. */

const named: { readonly [character: string]: string } = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\u001b': '\\e' }

/**
 * Makes text safe for one line of a message or a terminal: control, invisible and direction characters, line ends and halves of surrogate pairs
 * become escapes, so that nothing of it moves the cursor, changes colours, breaks the line or turns its direction.
 *
 * @example printable('a\u001b[2Jb') // 'a\\e[2Jb'
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => named[character] ?? `\\u{${character.codePointAt(0)?.toString(16)}}`,
  )
}
