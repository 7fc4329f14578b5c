/**
 * Reads a lake by other people's readers of Iceberg: `npm run test:iceberg`. Installs them first, pinned, below node_modules/.cache: pyiceberg and
 * PySpark from PyPI, the Iceberg runtime for Spark from Maven Central, and Java 17 from Debian where there is no Java.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const packages = ['pyiceberg==0.12.0', 'pyarrow==26.0.1', 'pyspark==3.5.6']
const runtime = {
  name: 'iceberg-spark-runtime-3.5_2.12-1.10.0.jar',
  sha256: '70f9471870b2d456167d703c829f098a446b86bb1379eee338c0efa03a341026',
}
const root = join(import.meta.dirname, '..')
const cache = join(root, 'node_modules/.cache/iceberg')

const attempt = (command, ...args) => spawnSync(command, args, { stdio: 'inherit', cwd: root, env: process.env })

function run(command, ...args) {
  const { status, error } = attempt(command, ...args)
  if (status === 0) return
  process.stderr.write(`${command} ${args.join(' ')} ended with ${status ?? error?.message}\n`)
  process.exit(status ?? 1)
}

/** From Debian, as root. */
function install(name) {
  run('apt-get', 'update', '-qq')
  run('apt-get', 'install', '-y', '-qq', '--no-install-recommends', name)
}

mkdirSync(cache, { recursive: true })
const python = join(cache, 'venv/bin/python')
const installed = join(cache, 'installed.json')
if (!existsSync(installed) || readFileSync(installed, 'utf8') !== JSON.stringify(packages)) {
  const makeVenv = ['-m', 'venv', join(cache, 'venv')]
  // Debian's Python has no module for it.
  if (attempt('python3', ...makeVenv).status !== 0) {
    install('python3-venv')
    run('python3', ...makeVenv)
  }
  run(python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages)
  writeFileSync(installed, JSON.stringify(packages))
}

const jar = join(cache, runtime.name)
if (!existsSync(jar)) {
  const [, artifact, version] = /^(.*)-([\d.]+)\.jar$/.exec(runtime.name)
  const address = `https://repo1.maven.org/maven2/org/apache/iceberg/${artifact}/${version}/${runtime.name}`
  // By pip's own Python, which is there, and knows the proxy.
  const fetch = 'import sys, urllib.request; urllib.request.urlretrieve(sys.argv[1], sys.argv[2])'
  for (let left = 4; attempt(python, '-c', fetch, address, `${jar}.part`).status !== 0; left--) {
    if (left > 0) continue
    process.stderr.write(`${address} could not be fetched\n`)
    process.exit(1)
  }
  const sha256 = createHash('sha256')
    .update(readFileSync(`${jar}.part`))
    .digest('hex')
  if (sha256 !== runtime.sha256) {
    process.stderr.write(`${address} has the SHA-256 ${sha256}, not ${runtime.sha256}\n`)
    process.exit(1)
  }
  renameSync(`${jar}.part`, jar)
}

if (spawnSync('java', ['-version']).status !== 0) install('openjdk-17-jre-headless')

process.env.SLUICE_ICEBERG_PYTHON = python
process.env.SLUICE_ICEBERG_JAR = jar
run('npx', 'vitest', 'run', '--project', 'iceberg')
