/** DuckDB's lexical rules: enough to know what is a word, a text or a comment, and where; the parser's tree has no places for functions. */

/** What a token is. */
export type TokenKind = 'word' | 'quoted' | 'text' | 'number' | 'symbol'

/** One token; comments and spaces are none. */
export interface Token {
  readonly kind: TokenKind
  /** A word in lower case, a quoted name without its quotes, everything else as it is written. */
  readonly text: string
  /** UTF-16 offsets into the SQL. */
  readonly start: number
  readonly end: number
}

/** The tokens of a SQL text, and where it ends too early, if it does. */
export interface Tokens {
  readonly tokens: readonly Token[]
  /** The offset where a text, a quoted name or a comment begins that never ends. */
  readonly unterminated?: { readonly start: number; readonly what: string }
}

const rules: readonly (readonly [TokenKind | 'skip', RegExp])[] = [
  ['skip', /\s+|--[^\n]*/y],
  ['text', /[eE]'(?:[^'\\]|\\[\s\S]|'')*'/y],
  ['text', /(?:[xXbB])?'(?:[^']|'')*'/y],
  ['text', /\$([A-Za-z_][A-Za-z0-9_]*)?\$[\s\S]*?\$\1\$/y],
  ['quoted', /"(?:[^"]|"")*"/y],
  ['number', /(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y],
  ['word', /[\p{L}_\u0080-\uffff][\p{L}\p{N}_$\u0080-\uffff]*/uy],
  ['symbol', /::|:=|->>|->|=>|<=|>=|<>|!=|\/\/|\*\*|\|\||\{\{|\{%|[\s\S]/uy],
]

/**
 * Splits SQL into tokens. Linear in the length of the text; never throws.
 *
 * @example tokenise('select 1 -- one').tokens.map((token) => token.text) // ['select', '1']
 */
export function tokenise(sql: string): Tokens {
  const tokens: Token[] = []
  let at = 0
  while (at < sql.length) {
    if (sql.startsWith('/*', at)) {
      const end = endOfComment(sql, at)
      if (end === undefined) return { tokens, unterminated: { start: at, what: 'comment' } }
      at = end
      continue
    }
    const opening = sql[at]
    for (const [kind, rule] of rules) {
      rule.lastIndex = at
      const found = rule.exec(sql)?.[0]
      if (found === undefined) continue
      if (kind === 'symbol' && (opening === "'" || opening === '"')) {
        return { tokens, unterminated: { start: at, what: opening === '"' ? 'quoted name' : 'text' } }
      }
      if (kind !== 'skip') tokens.push({ kind, text: tokenText(kind, found), start: at, end: at + found.length })
      at += found.length
      break
    }
  }
  return { tokens }
}

/** Comments nest, as in PostgreSQL. */
function endOfComment(sql: string, start: number): number | undefined {
  const edge = /\/\*|\*\//g
  edge.lastIndex = start
  let depth = 0
  for (let found = edge.exec(sql); found !== null; found = edge.exec(sql)) {
    depth += found[0] === '/*' ? 1 : -1
    if (depth === 0) return edge.lastIndex
  }
  return undefined
}

function tokenText(kind: TokenKind, found: string): string {
  if (kind === 'word') return found.toLowerCase()
  if (kind === 'quoted') return found.slice(1, -1).replaceAll('""', '"')
  return found
}
