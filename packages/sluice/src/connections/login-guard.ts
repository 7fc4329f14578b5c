/** Connects, and holds a login back that the server has just refused: not every retry of every task may cost the account a try (fault SR-10). */
import { scryptSync } from 'node:crypto'
import { type Clock, newId } from '../base/clock.ts'
import { isSluiceError, sluiceError } from '../base/errors.ts'
import { canonicalJson, sha256 } from '../base/json.ts'
import { readJson } from '../storage/read-json.ts'
import type { Storage } from '../storage/storage.ts'
import type { Connection, ConnectionSettings, Connector } from './connection.ts'

/** How long a refused login is held, in milliseconds. */
const heldMs = 60_000

/** A refused login, as it is written: nothing of the settings can be read out of it, nor cheaply guessed. */
interface Refusal {
  readonly salt: string
  readonly digest: string
  readonly at: string
}

/**
 * Connects, unless the same settings were refused within the last minute, by this process or any other of the project.
 *
 * @example await using connection = await connectGuarded(connector, settings, signal, { state, clock })
 * @throws Connection.LoginHeld, and what `connect` throws
 */
export function connectGuarded(
  connector: Connector,
  settings: ConnectionSettings,
  signal: AbortSignal,
  parts: { readonly state: Storage; readonly clock: Clock },
): Promise<Connection> {
  return guardLogin(settings, () => connector.connect(settings, signal), parts)
}

/**
 * The same for what connects in its own way.
 *
 * @example const client = await guardLogin(settings, () => connectPostgres(settings, options), { state, clock })
 * @throws Connection.LoginHeld, and what `connect` throws
 */
export async function guardLogin<T>(
  settings: ConnectionSettings,
  connect: () => Promise<T>,
  { state, clock }: { readonly state: Storage; readonly clock: Clock },
): Promise<T> {
  const path = `logins/${sha256(settings.name).slice(0, 32)}.json`
  // A damaged one is no reason to keep everybody out.
  const refusal = await readJson<Refusal>(state, path)
  if (refusal !== undefined) {
    const age = clock.now().getTime() - Date.parse(refusal.at)
    if (age >= 0 && age < heldMs && digestOf(settings, refusal.salt) === refusal.digest)
      throw sluiceError('Connection.LoginHeld', { connection: settings.name, seconds: Math.round(age / 1000) })
  }
  try {
    const connection = await connect()
    if (refusal !== undefined) await state.remove(path)
    return connection
  } catch (error) {
    if (isSluiceError(error, 'Connection.LoginFailed')) {
      const salt = newId(clock)
      const held: Refusal = { salt, digest: digestOf(settings, salt), at: clock.now().toISOString() }
      await state.write(path, canonicalJson(held))
    }
    throw error
  }
}

function digestOf(settings: ConnectionSettings, salt: string): string {
  return scryptSync(canonicalJson(settings), salt, 32).toString('hex')
}
