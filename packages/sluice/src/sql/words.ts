/** What a model's words alone tell: problems that need no parser, and the tables it reads where the parser gives up. */
import type { Token, Tokens } from './lexer.ts'
import { bareFunctions, nondeterministicFunctions } from './nondeterminism.ts'
import { isOutsideFunction, otherStatements } from './outside.ts'
import { parameterAt } from './parameters.ts'
import type { adder } from './report.ts'
import type { Reporter } from './scope.ts'
import { isName, isTree, type Tree } from './tree.ts'

/** Notes what the words show; false where reading on would only repeat it. */
export function checkWords(
  words: Tokens,
  put: ReturnType<typeof adder>,
  report: Reporter,
  parameters?: readonly string[],
): boolean {
  const { tokens, unterminated } = words
  const template = tokens.find(({ text }) => text === '{{' || text === '{%')
  if (template !== undefined) {
    const closing = tokens.find(
      (token, at) => token.start > template.start && token.text === '}' && tokens[at - 1]?.text === '}',
    )
    put('Sql.Template', { found: '{{ … }}' }, { start: template.start, end: closing?.end ?? template.end })
    return false
  }
  if (unterminated !== undefined) {
    put(
      'Sql.Syntax',
      { detail: `a ${unterminated.what} begins here and never ends.` },
      { start: unterminated.start, end: unterminated.start + 1 },
    )
    return false
  }
  noteCalls(tokens, report, parameters)
  return checkStatement(tokens, put) && checkBrackets(tokens, put)
}

/** One statement, and it is a query. */
function checkStatement(tokens: readonly Token[], put: ReturnType<typeof adder>): boolean {
  const [first] = tokens
  if (first === undefined || first.text === ';') {
    put('Sql.NotOneSelect', { found: 'is empty' }, { start: 0, end: 1 })
    return false
  }
  const end = tokens.findIndex(({ text }) => text === ';')
  const next = end === -1 ? undefined : tokens.slice(end).find(({ text }) => text !== ';')
  if (next !== undefined) put('Sql.NotOneSelect', { found: 'has several statements' }, next)
  const isOther = first.kind === 'word' && otherStatements.has(first.text) && tokens[1]?.text !== '.'
  if (isOther) put('Sql.NotOneSelect', { found: `begins with ${first.text.toUpperCase()}` }, first)
  return next === undefined && !isOther
}

const closings: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

function checkBrackets(tokens: readonly Token[], put: ReturnType<typeof adder>): boolean {
  const open: Token[] = []
  for (const token of tokens) {
    if (token.kind !== 'symbol') continue
    if (token.text in closings) open.push(token)
    else if (token.text === ')' || token.text === ']' || token.text === '}') {
      const last = open.pop()
      if (last !== undefined && closings[last.text] === token.text) continue
      const detail =
        last === undefined
          ? `"${token.text}" closes nothing.`
          : `"${token.text}" stands where "${closings[last.text]}" is expected.`
      put('Sql.Syntax', { detail }, token)
      return false
    }
  }
  const last = open.at(-1)
  if (last !== undefined) put('Sql.Syntax', { detail: `"${last.text}" is never closed.` }, last)
  return last === undefined
}

/** Functions by name: the parser's tree has no places for them, and some it renames. */
function noteCalls(tokens: readonly Token[], report: Reporter, parameters: readonly string[] | undefined): void {
  tokens.forEach((token, at) => {
    if (token.kind !== 'word' || tokens[at - 1]?.text === '.' || tokens[at - 1]?.text === 'as') return
    if (token.text === 'tablesample' || (token.text === 'sample' && tokens[at - 1]?.text === 'using')) {
      report.nondeterministic('sample', 'which rows it takes is drawn at random', token)
    }
    const called = tokens[at + 1]?.text === '('
    if (called && isOutsideFunction(token.text)) report.outside(`${token.text}(…)`, token)
    const parameter = parameters === undefined ? undefined : parameterAt(tokens, at)
    if (parameter) {
      const known = parameters ?? []
      if (!known.includes(parameter)) report.unknownParameter(parameter, known, tokens[at + 2]!)
      return
    }
    const why = nondeterministicFunctions[token.text]
    if (why === undefined || !Object.hasOwn(nondeterministicFunctions, token.text)) return
    if (called || bareFunctions.has(token.text)) report.nondeterministic(token.text, why, token)
  })
}

/** Known tables among the words: `layer.table`, wherever it stands. */
export function tablesByWords(tokens: readonly Token[], known: readonly string[]): readonly string[] {
  const spelled = new Map(known.map((name) => [name.toLowerCase(), name]))
  const found = new Set<string>()
  tokens.forEach((token, at) => {
    const name = tokens[at + 2]
    if (tokens[at + 1]?.text !== '.' || name === undefined || tokens[at - 1]?.text === '.') return
    const table = spelled.get(`${token.text}.${name.text}`.toLowerCase())
    if (table !== undefined) found.add(table)
  })
  return [...found].sort()
}

/**
 * The SQL as the parser can read it, every name at its old place: it does not know the operator for integer division, whose operands are what matters here.
 */
export function parseable(sql: string, tokens: readonly Token[]): string {
  const divisions = tokens.filter(({ text }) => text === '//')
  if (divisions.length === 0) return sql
  const characters =
    [...sql].length === sql.length ? sql.split('') : Array.from({ length: sql.length }, (_, at) => sql[at] as string)
  for (const { start } of divisions) characters[start + 1] = ' '
  return characters.join('')
}

/** Words that the parser keeps in another form than as a name: SQL's grammar, types, units of time. */
const grammar = new Set(
  (
    'select from where group by having qualify order limit offset with recursive as materialized not union intersect except all distinct on using natural ' +
    'join inner left right full outer cross semi anti asof positional lateral window over partition rows range groups between unbounded preceding following current row ' +
    'exclude ties no others replace rename filter within ignore respect nulls first last asc desc and or is null true false in like ilike similar to glob escape exists any some ' +
    'case when then else end cast try_cast interval date time timestamp timestamptz at zone collate extract values unnest ordinality grouping sets rollup cube pivot unpivot into name value for ' +
    'include sample tablesample percent seed repeatable lambda if array map struct row columns default only isnull notnull both leading trailing ' +
    'bigint int8 long integer int int4 signed smallint int2 short tinyint int1 hugeint ubigint uinteger usmallint utinyint uhugeint varchar char bpchar text string nvarchar character ' +
    'boolean bool logical double precision float float8 float4 real decimal numeric dec blob bytea binary varbinary bit bitstring uuid json datetime without bignum varint ' +
    'year years month months day days week weeks quarter quarters hour hours minute minutes second seconds millisecond milliseconds microsecond microseconds ' +
    'decade decades century centuries millennium millennia epoch dow doy isodow isoyear'
  ).split(' '),
)

/** A name in the text that is nowhere in the tree: the parser left something out, as it does in silence. */
export function missingWord(
  tokens: readonly Token[],
  tree: Tree,
  offset: (codePoints: number) => number,
): Token | undefined {
  const names = new Set<number>()
  const others = new Set<string>()
  const visit = (value: unknown): void => {
    if (typeof value === 'string') for (const word of value.toLowerCase().split(/[^\p{L}\p{N}_$]+/u)) others.add(word)
    else if (Array.isArray(value)) value.forEach(visit)
    else if (isName(value) && value.span !== undefined) {
      names.add(offset(value.span.start))
      // `EXCLUDE (s.country)` is kept as one name.
      if (value.name.includes('.')) visit(value.name)
    } else if (isTree(value)) {
      for (const [name, item] of Object.entries(value)) {
        others.add(name)
        if (name !== 'span') visit(item)
      }
    }
  }
  visit(tree)
  return tokens.find((token, at) => {
    if (names.has(token.start)) return false
    if (token.kind === 'quoted') return !others.has(token.text.toLowerCase())
    return token.kind === 'word' && tokens[at + 1]?.text !== '(' && !grammar.has(token.text) && !others.has(token.text)
  })
}
