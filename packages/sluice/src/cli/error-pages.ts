/** What the registry knows of each error, with words in angle brackets where a message has values: for `sluice explain` and the reference. */
import { type ErrorEntry, registry } from '../base/registry.ts'

/** An error of the registry, as it is explained. */
export interface ErrorPage {
  readonly code: string
  readonly name: string
  readonly title: string
  /** The message, with `<table>` where it names a table. */
  readonly message?: string
  readonly hint?: string
  readonly retry: 'transient' | 'terminal'
  readonly exit: number
  readonly explanation?: string
}

/**
 * All errors, by number.
 *
 * @example errorPages()[0].code // 'SLU1001'
 */
export function errorPages(): readonly ErrorPage[] {
  const entries = Object.entries(registry) as unknown as readonly (readonly [string, ErrorEntry<never>])[]
  return entries.map(([name, entry]) => page(name, entry)).sort((a, b) => (a.code < b.code ? -1 : 1))
}

function page(name: string, { code, title, message, hint, retry, exit, explanation }: ErrorEntry<never>): ErrorPage {
  const said = withPlaceholders(message)
  const advice = hint === undefined ? undefined : withPlaceholders(hint)
  return {
    code,
    name,
    title,
    ...(said === undefined ? {} : { message: said }),
    ...(advice === undefined ? {} : { hint: advice }),
    retry,
    exit,
    ...(explanation === undefined ? {} : { explanation }),
  }
}

/** Stands for a text, a number or a list, whichever a message takes it for. */
class Placeholder extends String {
  join(): string {
    return this.toString()
  }
  map(): this {
    return this
  }
  filter(): this {
    return this
  }
  override slice(): string {
    return this as unknown as string
  }
  override toLocaleString(): string {
    return this.toString()
  }
}

/** Names that say little where nothing is known of the place, as words. */
const words: { readonly [name: string]: string } = {
  accept: 'what is accepted',
  at: 'place',
  because: 'reason',
  behind: 'how far behind',
  broken: 'what does not hold',
  cause: 'reason',
  confirmed: 'confirmed position',
  count: 'how many',
  declared: 'what is declared',
  detail: 'reason',
  expected: 'what is expected',
  extra: 'columns too many',
  first: 'the one',
  found: 'what was found',
  from: 'earlier',
  held: 'what is held',
  known: 'those that there are',
  kept: 'what is kept',
  made: 'what was made',
  meant: 'what was probably meant',
  missing: 'what is missing',
  newer: 'the newer one',
  newest: 'the newest one left',
  now: 'value now',
  op: 'operation',
  other: 'the other',
  passed: 'what was passed over',
  pid: 'process',
  reads: 'what it reads',
  received: 'what came',
  second: 'the other',
  since: 'since when',
  to: 'later',
  token: 'its number',
  tries: 'how often',
  unit: 'code unit',
  used: 'where it is used',
  waiting: 'those that wait',
  what: 'what it is about',
  where: 'place',
  who: 'a witness',
  why: 'reason',
  written: 'what is written',
  xid: 'transaction',
}

/** A parameter's name as words. @example inWords('maxBytes') // 'max bytes' */
function inWords(name: string): string {
  return words[name] ?? name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

function withPlaceholders(text: (params: never) => string): string | undefined {
  const params = new Proxy({}, { get: (_target, name) => new Placeholder(`<${inWords(String(name))}>`) })
  try {
    return text(params as never)
  } catch {
    // A message that computes with its values has no template; its title and explanation stand.
    return undefined
  }
}

/** What an exit code means. */
export const exitMeanings: { readonly [exit: number]: string } = {
  0: 'done; warnings are allowed',
  1: 'it ran, and something failed',
  2: 'wrong usage or definition; nothing was run',
  3: 'the system or an outside service refused',
  4: 'there are differences (`plan --exit-code`)',
  5: 'busy: another run or process holds the project',
  70: 'a bug of Sluice; see `.sluice/debug.log`',
  130: 'interrupted (Ctrl-C)',
  143: 'terminated (SIGTERM)',
}
