/**
 * A real MariaDB for tests: the distribution's own package, its data in a folder of its own, on a free port of the loopback, ended by its process id.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Connection, createConnection } from 'mysql2/promise'
import { missingProgram } from './debian.ts'

/** How a server is started. */
export interface MariaDbOptions {
  /** Turns TLS on, with a key and a certificate in PEM. Connections without TLS are then still taken. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

/** A running server. */
export interface MariaDbServer {
  readonly host: string
  readonly port: number
  /** The superuser. */
  readonly user: string
  readonly password: string
  readonly database: string
  /** The server's process. */
  readonly pid: number
  /** A connected client as superuser; the caller ends it. */
  superuserClient(): Promise<Connection>
  /** Ends it in order, and removes its data. */
  stop(): Promise<void>
}

const daemon = '/usr/sbin/mariadbd'
const isRoot = process.getuid?.() === 0
const host = '127.0.0.1'
const user = 'administrator'
const password = 'Administrator-1'
const database = 'erp'

/**
 * Sees to it that the distribution's `mariadb-server` is installed, where this process may.
 *
 * @returns undefined, or why there is none: what a skipped test says
 */
export function missingMariaDb(): Promise<string | undefined> {
  const find = (): string | undefined => (existsSync(daemon) ? daemon : undefined)
  return missingProgram({ what: `MariaDB (${daemon})`, package: 'mariadb-server', find })
}

/**
 * Starts a server with an empty database. Several may run at once, in any number of processes.
 *
 * @example const server = await startMariaDb({ tls: testCertificates().right })
 */
export async function startMariaDb(options: MariaDbOptions = {}): Promise<MariaDbServer> {
  const home = mkdtempSync(join(tmpdir(), 'sluice-mariadb-'))
  const data = join(home, 'data')
  // A server that starts removes every temporary table in its folder, those of its neighbours, too.
  const temporary = join(home, 'temporary')
  mkdirSync(temporary)
  const own = ['--no-defaults', ...(isRoot ? ['--user=root'] : []), `--datadir=${data}`, `--tmpdir=${temporary}`]
  const install = [...own, '--auth-root-authentication-method=normal', '--skip-test-db']
  execFileSync('mariadb-install-db', install, { stdio: 'pipe' })
  const init = join(home, 'init.sql')
  const statements = [
    `CREATE DATABASE ${database} CHARACTER SET utf8mb4`,
    `CREATE USER ${user}@'${host}' IDENTIFIED BY '${password}'`,
    `GRANT ALL ON *.* TO ${user}@'${host}' WITH GRANT OPTION`,
  ]
  writeFileSync(init, statements.map((statement) => `${statement};\n`).join(''))
  const port = await freePort()
  const child = spawn(
    daemon,
    [
      ...own,
      ...[`--socket=${join(home, 'socket')}`, `--pid-file=${join(home, 'pid')}`, `--init-file=${init}`],
      ...[`--bind-address=${host}`, `--port=${port}`, '--skip-name-resolve'],
      ...['--innodb-buffer-pool-size=64M', '--innodb-flush-log-at-trx-commit=0', '--log-bin-trust-function-creators=1'],
      ...(options.tls === undefined ? ['--skip-ssl'] : certificateFiles(home, options.tls)),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const orphaned = (): void => void child.kill('SIGKILL')
  process.once('exit', orphaned)
  const stop = async (): Promise<void> => {
    await end(child)
    process.off('exit', orphaned)
    rmSync(home, { recursive: true, force: true })
  }
  const superuserClient = (): Promise<Connection> => createConnection({ host, port, user, password, database })
  try {
    await firstAnswer(child, superuserClient)
  } catch (error) {
    await stop()
    throw error
  }
  return { host, port, user, password, database, pid: child.pid as number, superuserClient, stop }
}

function certificateFiles(home: string, tls: NonNullable<MariaDbOptions['tls']>): readonly string[] {
  const [key, cert] = [join(home, 'key.pem'), join(home, 'cert.pem')]
  writeFileSync(key, tls.key, { mode: 0o600 })
  writeFileSync(cert, tls.cert)
  return [`--ssl-key=${key}`, `--ssl-cert=${cert}`]
}

/** Waits until the server answers; its own last words where it ends instead. */
async function firstAnswer(child: ChildProcess, superuserClient: () => Promise<Connection>): Promise<void> {
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000)
  })
  for (let waited = 0; waited < 600; waited++) {
    if (child.exitCode !== null) throw new Error(`mariadbd ended (${child.exitCode}): ${said}`)
    const client = await superuserClient().catch(() => undefined)
    if (client !== undefined) return client.end()
    await sleep(100)
  }
  throw new Error(`mariadbd did not answer within a minute: ${said}`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await ended
  clearTimeout(timer)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
