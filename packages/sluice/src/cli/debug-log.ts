/** `.sluice/debug.log`: the stack of every error that ended a command; only its owner can read it, and secrets are struck out. */
import { appendFileSync, closeSync, constants, existsSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../base/clock.ts'

/** Names whose values are secret (the list that Airflow masks by). */
const secretName = /pass(word|wd|phrase)?|secret|token|api_?key|authorization|credential|private_?key|_key$/i

/**
 * Appends an error with all of its causes, and returns the log's path; nothing where there is no project or it cannot be written.
 *
 * @example appendDebugLog('/home/me/shop', ['run'], error, process.env)
 */
export function appendDebugLog(
  root: string,
  argv: readonly string[],
  error: unknown,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const isProject = ['ts', 'js', 'mjs', 'json', 'yaml', 'yml'].some((end) =>
    existsSync(join(root, `sluice.config.${end}`)),
  )
  if (!isProject) return undefined
  const file = join(root, '.sluice', 'debug.log')
  try {
    mkdirSync(join(root, '.sluice'), { recursive: true, mode: 0o700 })
    // O_NOFOLLOW: a link in its place must not turn the log into another file.
    const flags = constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0)
    const handle = openSync(file, flags, 0o600)
    try {
      const head = `${systemClock.now().toISOString()} node ${process.version} sluice ${argv.join(' ')}`
      appendFileSync(handle, `${redact(`${head}\n${stackOf(error)}`, env)}\n`)
    } finally {
      closeSync(handle)
    }
    return file
  } catch {
    // The log is a help, never a reason to fail: the error itself is about to be printed.
    return undefined
  }
}

function stackOf(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined || depth > 5 ? '' : `\nCaused by: ${stackOf(error.cause, depth + 1)}`
  return `${error.stack ?? error.message}${cause}`
}

/**
 * Strikes out the values of secret variables, and passwords in URLs.
 *
 * @example redact('postgres://me:hunter2@db', {}) // 'postgres://me:***@db'
 */
export function redact(text: string, env: Readonly<Record<string, string | undefined>>): string {
  let result = text.replace(/(\/\/[^\s:/@]*:)[^\s@/]+@/g, '$1***@')
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && value.length >= 6 && secretName.test(name)) result = result.replaceAll(value, '***')
  }
  return result
}
