/** moto's server, an S3 that others wrote: from PyPI, in a virtual environment that is made once on a machine. */
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3'
import { doubleCredentials } from './lake.ts'

/** Only what its S3 needs: all of moto is two hundred megabytes. */
const packages = ['moto[s3]==5.2.5', 'flask==3.1.2', 'flask-cors==6.0.1']

const run = promisify(execFile)

/** A server that runs. */
export interface MotoServer extends AsyncDisposable {
  readonly endpoint: string
}

/**
 * Starts moto's server with these buckets; undefined, with a word about it, where pip cannot bring it.
 *
 * @example const moto = await startMoto({ lake: 'off' })
 */
export async function startMoto(buckets: Readonly<Record<string, 'off' | 'on'>>): Promise<MotoServer | undefined> {
  let home: string
  try {
    home = await installed()
  } catch (error) {
    process.stdout.write(`moto's server is skipped: ${String(error).split('\n')[0]}\n`)
    return undefined
  }
  const port = await freePort()
  const child = spawn(join(home, 'bin/python'), ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], {
    stdio: 'ignore',
  })
  // moto takes a bucket out of the host's name, but not of this one.
  const endpoint = `http://localhost:${port}`
  const close = async (): Promise<void> => void child.kill('SIGKILL')
  try {
    await makeBuckets(endpoint, buckets)
  } catch (error) {
    await close()
    throw error
  }
  return { endpoint, [Symbol.asyncDispose]: close }
}

/** The virtual environment; one that was not finished is made again. */
async function installed(): Promise<string> {
  const home = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'sluice-tests', 'moto-5.2.5')
  const mark = join(home, 'complete')
  if (existsSync(mark)) return home
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  await run('python3', ['-m', 'venv', home], { timeout: 60_000 })
  const options = ['install', '--quiet', '--disable-pip-version-check', '--retries', '1', '--timeout', '10']
  await run(join(home, 'bin/pip'), [...options, ...packages], { timeout: 240_000 })
  writeFileSync(mark, '')
  return home
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function makeBuckets(endpoint: string, buckets: Readonly<Record<string, 'off' | 'on'>>): Promise<void> {
  Object.assign(process.env, doubleCredentials)
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1 })
  const until = Date.now() + 60_000
  for (const [Bucket, versioning] of Object.entries(buckets)) {
    for (;;) {
      try {
        await client.send(new CreateBucketCommand({ Bucket }))
        break
      } catch (error) {
        // It takes a second to start.
        if (Date.now() > until) throw error
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    }
    if (versioning === 'on')
      await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  }
  client.destroy()
}
