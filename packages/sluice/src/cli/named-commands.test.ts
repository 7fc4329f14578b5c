import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { isSluiceError } from '../base/errors.ts'
import type { CommandSpec, OptionSpec } from './command.ts'
import { commandTable, globalOptions } from './command-table.ts'
import { errorPages } from './error-pages.ts'
import { parseCommandLine } from './parse.ts'

/** A command that a text tells somebody to type. */
interface Named {
  readonly where: string
  readonly argv: readonly string[]
}

const repository = resolve(import.meta.dirname, '../../../..')

const specOf = (word: string | undefined): CommandSpec | undefined =>
  word !== undefined && Object.hasOwn(commandTable, word) ? commandTable[word as keyof typeof commandTable] : undefined

/** The option that takes the word after it. */
function takesValue(token: string, command: string | undefined): boolean {
  const options: readonly (readonly [string, OptionSpec])[] = Object.entries({
    ...globalOptions,
    ...specOf(command)?.options,
  })
  const found = options.find(
    ([name, { short }]) => token === `--${name}` || (short !== undefined && token === `-${short}`),
  )
  return found !== undefined && found[1].kind !== 'flag'
}

/** Words of a command that look like prose: the kinds of `cdc`, `export` of `quarantine`, and what a page calls its own things. */
const ownWords = new Set(['status', 'setup', 'drop', 'resnapshot', 'accept', 'export', 'my-pipeline'])

/** A name of a table, a file, a value: no word of a sentence. */
const isName = (token: string): boolean => /[-._/<>*+$"'\d=]/.test(token) || ownWords.has(token)

/**
 * The commands in a text: after `sluice`, words as far as they belong to a command. In prose a command ends with what ends a part of a sentence.
 */
function commandsIn(text: string, where: string): readonly Named[] {
  const found = text.split('\n').flatMap((line) => line.split(/(?<![\w@/.'-])sluice (?=[a-z-])/).slice(1))
  return found.flatMap((rest) => {
    const argv: string[] = []
    for (const word of rest.match(/"[^"]*"|'[^']*'|<[^>]*>\S*|\S+/g) ?? []) {
      const quoted = /^(["'])(.*)\1[.,;:)]*$/.exec(word)?.[2]
      const bare = quoted ?? word.replace(/["'.,;:)\]}`]+$/, '')
      const command = specOf(argv.find((one) => specOf(one) !== undefined))
      const before = argv.at(-1)
      const isValue = before !== undefined && takesValue(before, argv[0])
      const isNeeded =
        command?.arguments?.[0]?.optional !== true && command?.arguments !== undefined && argv.length === 1
      const isCommand = specOf(bare) !== undefined && command === undefined
      // A first word that is no command is reported, and not taken for prose.
      if (!(argv.length === 0 || isValue || isNeeded || isCommand || quoted !== undefined || isName(bare))) break
      if (bare === '' || /^[—…#|&>(]/.test(bare)) break
      // What a placeholder stands for is whatever its option takes.
      const option = Object.entries({ ...command?.options }).find(([name]) => isValue && before === `--${name}`)?.[1]
      argv.push(bare.startsWith('<') && option?.kind === 'number' ? '1' : bare)
      if (bare !== word && quoted === undefined) break
    }
    return argv.length === 0 ? [] : [{ where, argv }]
  })
}

function filesBelow(folder: string, ending: RegExp): readonly string[] {
  return readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name) && !/node_modules|\bdist\b/.test(name))
    .map((name) => join(folder, name))
}

const hints = errorPages().flatMap(({ code, hint = '', message = '', explanation = '' }) =>
  commandsIn(`${hint}\n${message}\n${explanation}`, code),
)

const help = Object.entries<CommandSpec>(commandTable).flatMap(([name, { examples = [], details = '' }]) =>
  commandsIn([...examples, details].join('\n'), `help of ${name}`),
)

/** Texts in quotes: what a command tells next. */
const said = filesBelow('packages/sluice/src/cli', /(?<!\.test)\.ts$/).flatMap((file) => {
  const code = readFileSync(join(repository, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const texts = code.match(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|"(?:[^"\\\n]|\\.)*"/g) ?? []
  return texts.flatMap((text) =>
    commandsIn(
      text
        .slice(1, -1)
        .replace(/\$\{[^}]*\}/g, '<x>')
        .replaceAll('\\n', '\n'),
      relative(repository, join(repository, file)),
    ),
  )
})

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'packages/sluice/README.md',
  ...filesBelow('docs', /\.md$/),
  ...filesBelow('examples', /\.md$/),
  ...filesBelow('packages/sluice/templates', /\.md$/),
]
const written = pages.flatMap((page) => {
  const text = readFileSync(join(repository, page), 'utf8')
  const fenced = [...text.matchAll(/^```(?:sh|text)?[^\n]*\n([\s\S]*?)^```$/gm)].map((match) => match[1] as string)
  const inline = [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`\n]+)`/g)].map(
    (match) => match[1] as string,
  )
  // A command's bare name in a sentence names it, and tells nobody to type it.
  const typed = inline.filter(
    (one) => !/^sluice [a-z]+$/.test(one) || specOf(one.slice('sluice '.length)) === undefined,
  )
  return [...fenced, ...typed].flatMap((one) => commandsIn(one, page))
})

test.each([
  ['hints of errors', hints, 30],
  ['examples of the help', help, 15],
  ['what commands say next', said, 20],
  ['pages of the documentation', written, 20],
])('commands in %s are commands', (_, named, atLeast) => {
  const wrong = named.flatMap(({ where, argv }) => {
    try {
      parseCommandLine(argv)
      return []
    } catch (error) {
      if (!isSluiceError(error)) throw error
      return [`${where}: sluice ${argv.join(' ')} (${error.message})`]
    }
  })
  expect([...new Set(wrong)]).toEqual([])
  // So that the search cannot find nothing in silence.
  expect(named.length).toBeGreaterThan(atLeast)
})

test('a command is found as far as it goes', () => {
  const found = (text: string) => commandsIn(text, '').map(({ argv }) => argv.join(' '))
  expect(found('Nothing ran. Correct it, then: sluice run --approve stage.x, or ask sluice doctor about it.')).toEqual([
    'run --approve stage.x',
    'doctor',
  ])
  expect(found("sluice query 'SELECT 1' --format csv")).toEqual(['query SELECT 1 --format csv'])
  expect(found('Then: sluice logs')).toEqual(['logs'])
  expect(found('fix the rows of: sluice quarantine export <table> -o refused; then')).toEqual([
    'quarantine export <table> -o refused',
  ])
})
