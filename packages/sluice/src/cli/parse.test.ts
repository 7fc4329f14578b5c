import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { commandTable } from './command-table.ts'
import { helpText } from './help.ts'
import { parseCommandLine } from './parse.ts'

const thrown = (argv: readonly string[]): unknown => {
  try {
    return parseCommandLine(argv)
  } catch (error) {
    return error
  }
}

describe('what a command line means', () => {
  test('options of a command, wherever they stand, with lists and defaults', () => {
    expect(
      parseCommandLine(['-C', 'shop', 'run', '-s', 'stage.sales,fact_sales', '--select', 'dim_x', '--concurrency=3']),
    ).toMatchObject({
      kind: 'command',
      command: 'run',
      globals: { folder: 'shop', json: false, color: true, input: true },
      input: { select: ['stage.sales', 'fact_sales', 'dim_x'], exclude: [], concurrency: 3, force: false },
    })
  })
  test('arguments by name; what follows -- is never an option', () => {
    expect(parseCommandLine(['query', '--all', '--', '--a comment'])).toMatchObject({
      input: { sql: '--a comment', all: true },
    })
    expect(parseCommandLine(['query', '-'])).toMatchObject({ input: { sql: '-', limit: 1000 } })
  })
  test('negations', () => {
    expect(parseCommandLine(['query', 'x', '--no-spreadsheet-safe', '--no-color'])).toMatchObject({
      globals: { color: false },
      input: { 'spreadsheet-safe': false },
    })
  })
  test('help wins over anything that is wrong', () => {
    expect(parseCommandLine(['run', '--nonsense', '-h'])).toEqual({ kind: 'help', command: 'run' })
    expect(parseCommandLine(['help', 'run'])).toEqual({ kind: 'help', command: 'run' })
    expect(parseCommandLine([])).toEqual({ kind: 'help' })
    expect(parseCommandLine(['-V'])).toEqual({ kind: 'version' })
  })
})

describe('wrong usage exits with 2 and says what was meant', () => {
  test.each([
    [['rnu'], 'Cli.UnknownCommand', 'run'],
    [['quary', 'x'], 'Cli.UnknownCommand', 'query'],
    [['run', '--selct', 'x'], 'Cli.UnknownOption', '--select'],
    [['run', '--no-colour'], 'Cli.UnknownOption', '--no-color'],
    [['query', 'x', '--format', 'jsn'], 'Cli.BadValue', 'json'],
    [['query', 'x', '--limit', '1.5'], 'Cli.BadValue', undefined],
    [['query', 'x', '--limit', '--all'], 'Cli.BadValue', undefined],
    [['query', 'x', '--limit'], 'Cli.BadValue', undefined],
    [['run', '--force=yes'], 'Cli.BadValue', undefined],
    [['show'], 'Cli.MissingArgument', undefined],
    [['query', 'SELECT', '1'], 'Cli.TooManyArguments', undefined],
    [['zzzzzzzz'], 'Cli.UnknownCommand', undefined],
    [['--frobnicate'], 'Cli.UnknownOption', undefined],
  ])('%j', (argv, name, suggestion) => {
    expect(thrown(argv)).toMatchObject({ name, exit: 2, suggestion })
  })
})

test('any arguments are understood or refused by a named error, never by a crash', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom(
      ...Object.keys(commandTable),
      '--',
      '-C',
      '--json',
      '--limit',
      '-s',
      '--no-color',
      '-qy',
      '__proto__',
      '--__proto__',
      '--constructor',
      '--no-__proto__',
    ),
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
      const result = thrown(argv) as { kind?: string; code?: string }
      expect(result.kind ?? result.code).toMatch(/^(help|version|command|SLU11\d\d)$/)
    }),
    { numRuns: 500 },
  )
})

test('the help of every command names its arguments, options and examples', () => {
  for (const [name, spec] of Object.entries(commandTable)) {
    const text = helpText(name as keyof typeof commandTable)
    for (const option of Object.keys('options' in spec ? spec.options : {})) expect(text).toContain(option)
    expect(helpText().includes(`  ${name} `)).toBe(!('hidden' in spec))
    for (const line of text.split('\n')) expect(line.length).toBeLessThan(240)
  }
})

test('every example is a command line that parses', () => {
  for (const spec of Object.values(commandTable)) {
    for (const example of spec.examples) {
      const argv = [...example.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '')
      expect(parseCommandLine(argv.slice(1))).toMatchObject({ kind: 'command' })
    }
  }
})
