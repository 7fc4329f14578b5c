/** Programs of the distribution's packages, for tests: found, or installed where this process may. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

/** A program that a package brings. */
export interface DebianProgram {
  /** What a skipped test calls it. */
  readonly what: string
  readonly package: string
  /** Where it is; undefined where it is not. */
  find(): string | undefined
}

/** Held while some process installs a package: one at a time, because whoever is first done gives the services their leave back. */
const lock = join(tmpdir(), 'sluice-apt-install')
const seconds = { update: 40, install: 110, wait: 160, failureIsNews: 600 }

/** How long ago a file was written; undefined where there is none. */
const secondsOld = (path: string): number | undefined => {
  const written = statSync(path, { throwIfNoEntry: false })?.mtimeMs
  return written === undefined ? undefined : (Date.now() - written) / 1000
}

/**
 * Sees to it that a program is installed, where this process may; within minutes, whatever happens.
 *
 * @returns undefined, or why there is none: what a skipped test says
 * @example const missing = await missingProgram({ what: 'pgbench', package: 'postgresql-contrib', find })
 */
export async function missingProgram(program: DebianProgram): Promise<string | undefined> {
  const { what } = program
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')
  // What it says where it could not be installed.
  const failure = join(tmpdir(), `sluice-apt-${program.package}-failed`)
  for (let waited = 0; waited < seconds.wait; waited++) {
    const lockedFor = secondsOld(lock)
    if (lockedFor !== undefined && lockedFor <= seconds.wait) {
      await sleep(1000)
      continue
    }
    // Whoever made it was killed.
    if (lockedFor !== undefined) rmSync(lock, { recursive: true, force: true })
    if (program.find() !== undefined) return undefined
    if (!mayInstall) return `${what}, which only root can install with apt-get (${program.package})`
    if ((secondsOld(failure) ?? seconds.failureIsNews) < seconds.failureIsNews) return readFileSync(failure, 'utf8')
    try {
      mkdirSync(lock)
    } catch {
      continue
    }
    try {
      const why = await install(program)
      if (why !== undefined) writeFileSync(failure, why)
      return why
    } finally {
      rmSync(lock, { recursive: true, force: true })
    }
  }
  return `${what}: another process still installs a package (${lock})`
}

/** Installs the package without starting its service: Debian asks `policy-rc.d` for leave (invoke-rc.d(8)), and 101 means no. */
async function install(program: DebianProgram): Promise<string | undefined> {
  const policy = '/usr/sbin/policy-rc.d'
  const ours = !existsSync(policy)
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  const patience = [
    'Acquire::Retries=1',
    'Acquire::http::Timeout=15',
    'Acquire::https::Timeout=15',
    'DPkg::Lock::Timeout=30',
  ]
  const apt = (timeout: number, ...args: readonly string[]) =>
    promisify(execFile)('apt-get', [...patience.flatMap((option) => ['-o', option]), ...args], {
      timeout: timeout * 1000,
      killSignal: 'SIGKILL',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  try {
    await apt(seconds.update, 'update')
    await apt(seconds.install, 'install', '-y', '--no-install-recommends', program.package)
    return program.find() === undefined ? `${program.what}: ${program.package} does not bring it` : undefined
  } catch (error) {
    const { stderr, killed, message } = error as Error & { stderr?: string; killed?: boolean }
    const why = killed === true ? 'apt-get took too long' : stderr?.trim() || message
    return `${program.what}, which could not be installed: ${why.slice(0, 300)}`
  } finally {
    if (ours) rmSync(policy, { force: true })
  }
}
