// SPDX-License-Identifier: GPL-3.0-or-later
// The steps of images/nextjs/Dockerfile, with errors that say what to do:
//   nextjs prepare SOURCE MANIFESTS   checks the source, and copies what the installation depends on
//   nextjs install                    installs the dependencies of the lock file into the working directory
//   nextjs build                      generates Prisma's client and runs the app's own build
//   nextjs assemble DIRECTORY         collects what the app needs at run time, and nothing else
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseEnv } from 'node:util'

class BuildError extends Error {}

const readJson = (path) => JSON.parse(fs.readFileSync(path, 'utf8'))
const folderSize = (path) => Number(execFileSync('du', ['-s', '--block-size=1M', path], { encoding: 'utf8' }).split('\t')[0])

/** Runs a program with the CA bundle of a company proxy, when one was given. */
function run(program, args, environment = {}) {
  const bundle = '/run/secrets/ca_bundle'
  const ca = fs.existsSync(bundle) ? { NODE_EXTRA_CA_CERTS: bundle, SSL_CERT_FILE: bundle } : {}
  try {
    execFileSync(program, args, { stdio: 'inherit', env: { ...process.env, ...ca, ...environment } })
  } catch (error) {
    throw new BuildError(`"${[program, ...args].join(' ')}" failed (${error.status ?? error.code}); its output is above`)
  }
}

// ---- prepare -------------------------------------------------------------------------------------------

const LOCK_FILES = { 'package-lock.json': 'npm', 'npm-shrinkwrap.json': 'npm', 'pnpm-lock.yaml': 'pnpm', 'yarn.lock': 'yarn' }
// What may change the result of an installation; the rest of the source only changes the build.
const MANIFESTS = ['package.json', ...Object.keys(LOCK_FILES), 'pnpm-workspace.yaml', '.npmrc', '.yarnrc', '.yarnrc.yml',
  '.yarn/releases', '.yarn/plugins', '.yarn/patches', 'patches', 'prisma/schema.prisma', 'prisma/schema', 'prisma.config.ts',
  'prisma.config.mjs', 'prisma.config.js']

function lockFile(folder) {
  const found = Object.keys(LOCK_FILES).find((name) => fs.existsSync(join(folder, name)))
  if (found) return found
  if (fs.existsSync(join(folder, 'bun.lock')) || fs.existsSync(join(folder, 'bun.lockb')))
    throw new BuildError("Bun's lock file is not supported: run npm install and commit package-lock.json")
  throw new BuildError('no lock file found: run npm install and commit package-lock.json')
}

/** Next.js copies .env files into its output. Only what browsers may see anyway stays in them. */
function keepPublic(path) {
  const lines = Object.entries(parseEnv(fs.readFileSync(path, 'utf8')))
  const dropped = lines.map(([name]) => name).filter((name) => !name.startsWith('NEXT_PUBLIC_'))
  const kept = lines.filter(([name]) => name.startsWith('NEXT_PUBLIC_'))
  fs.writeFileSync(path, kept.map(([name, value]) => `${name}=${JSON.stringify(value)}\n`).join(''))
  if (dropped.length) console.log(`nextjs: ${basename(path)}: not taken into the image: ${dropped.join(', ')}`)
}

/** What the installation reads, relative to the source: all of it when a script of the app takes part. */
function manifestsOf(source) {
  const { dependencies, devDependencies, scripts = {} } = readJson(join(source, 'package.json'))
  const own = ['preinstall', 'install', 'postinstall', 'prepare'].map((name) => scripts[name] ?? '')
  if (own.some((script) => script && !/^(npx )?(prisma generate|husky\b.*)$/.test(script))) return fs.readdirSync(source)
  const local = Object.values({ ...dependencies, ...devDependencies }).filter((wanted) => wanted.startsWith('file:'))
  return [...MANIFESTS, ...local.map((wanted) => wanted.slice('file:'.length))]
}

function prepare(source, manifests) {
  const path = join(source, 'package.json')
  if (!fs.existsSync(path)) throw new BuildError('the source has no package.json: give the folder of the Next.js app itself')
  const { dependencies, devDependencies } = readJson(path)
  if (!{ ...devDependencies, ...dependencies }.next) throw new BuildError('package.json has no dependency "next": this is not a Next.js app')
  lockFile(source)
  for (const name of ['node_modules', '.next', '.git']) fs.rmSync(join(source, name), { recursive: true, force: true })
  for (const name of fs.readdirSync(source).filter((entry) => /^\.env/.test(entry))) {
    if (['.env', '.env.production'].includes(name)) keepPublic(join(source, name))
    else fs.rmSync(join(source, name), { recursive: true })
  }
  for (const name of manifestsOf(source).filter((entry) => fs.existsSync(join(source, entry)))) {
    fs.mkdirSync(dirname(join(manifests, name)), { recursive: true })
    fs.cpSync(join(source, name), join(manifests, name), { recursive: true })
  }
}

// ---- install -------------------------------------------------------------------------------------------

// Versions that are used when packageManager in package.json names none.
const PNPM = '10.34.9'
const YARN = '4.18.1'
const YARN_CLASSIC = '1.22.22'

// No database is there during a build; Prisma's configuration may want the variable nevertheless.
const DATABASE = { DATABASE_URL: 'postgresql://build:build@127.0.0.1:1/build' }

function install() {
  const manager = LOCK_FILES[lockFile('.')]
  const [, named, version] = /^(pnpm|yarn)@([\d.]+)/.exec(readJson('package.json').packageManager ?? '') ?? []
  if (manager === 'npm') {
    run('npm', ['ci', '--no-audit', '--no-fund'], DATABASE)
  } else if (manager === 'pnpm') {
    run('npm', ['install', '--global', `pnpm@${named === 'pnpm' ? version : PNPM}`])
    run('pnpm', ['install', '--frozen-lockfile'], DATABASE)
  } else {
    const berry = fs.existsSync('.yarnrc.yml')
    const wanted = named === 'yarn' ? version : berry ? YARN : YARN_CLASSIC
    run('npm', ['install', '--global', berry ? `@yarnpkg/cli-dist@${wanted}` : `yarn@${wanted}`])
    run('yarn', ['install', berry ? '--immutable' : '--frozen-lockfile'], { ...DATABASE, YARN_NODE_LINKER: 'node-modules' })
  }
  checkPrisma()
}

// ---- build ---------------------------------------------------------------------------------------------

function prismaSchema() {
  const folder = 'prisma/schema'
  const files = fs.existsSync(folder) ? fs.readdirSync(folder).map((name) => join(folder, name)) : ['prisma/schema.prisma']
  return files.filter((name) => name.endsWith('.prisma') && fs.existsSync(name)).map((name) => fs.readFileSync(name, 'utf8')).join('\n')
}

function checkPrisma() {
  const path = 'node_modules/@prisma/client/package.json'
  if (!fs.existsSync(path)) return
  const { version } = readJson(path)
  if (Number(version.split('.')[0]) >= 7 || /engineType\s*=\s*"client"/.test(prismaSchema())) return
  throw new BuildError(`Prisma ${version} runs its queries in a native engine, which this image does not contain: ` +
    'upgrade prisma and @prisma/client to 7 and connect through @prisma/adapter-pg ' +
    '(from 6.16 on engineType = "client" in the generator block does as well), ' +
    'or build the image yourself and name it in firstbell_app_image')
}

/** next build keeps its cache in .next/cache: here a link into the cache of the builder, one folder for each app. */
function linkCache() {
  const key = createHash('sha256').update(readJson('package.json').name ?? '').digest('hex').slice(0, 16)
  const folder = join('/var/cache/nextjs', key)
  fs.mkdirSync(folder, { recursive: true })
  fs.mkdirSync('.next', { recursive: true })
  fs.symlinkSync(folder, '.next/cache')
}

function build() {
  const { scripts = {} } = readJson('package.json')
  const secret = '/run/secrets/build_env'
  const given = fs.existsSync(secret) ? parseEnv(fs.readFileSync(secret, 'utf8')) : {}
  const environment = {
    NODE_ENV: 'production',
    NEXT_PRIVATE_STANDALONE: 'true',
    ...DATABASE,
    ...given,
  }
  linkCache()
  const generates = /prisma generate/.test(`${scripts.build} ${scripts.prebuild}`)
  if (fs.existsSync('node_modules/.bin/prisma') && prismaSchema() && !generates)
    run('node_modules/.bin/prisma', ['generate'], environment)
  if (scripts.build) run('npm', ['run', 'build'], environment)
  else run('node_modules/.bin/next', ['build'], environment)
}

// ---- assemble ------------------------------------------------------------------------------------------

function checkStandalone(standalone) {
  if (!fs.existsSync(standalone))
    throw new BuildError("no standalone output: set output: 'standalone' in the configuration of Next.js, and leave distDir " +
      'at .next (output: \'export\' makes plain files, which need no app server)')
  if (!fs.existsSync(join(standalone, 'server.js')))
    throw new BuildError('no standalone output for this folder: .next/standalone has no server.js; outputFileTracingRoot must be the ' +
      'folder of the app itself, and an app inside a monorepo needs an image of its own (firstbell_app_image)')
}

/** Removes what the tracing of Next.js takes along and this app never loads. */
function prune(app) {
  const { config } = readJson('.next/required-server-files.json')
  const unused = ['package-lock.json', '.env.local']
  if (config?.images?.unoptimized) unused.push('node_modules/sharp', 'node_modules/@img')
  const runtime = 'node_modules/@prisma/client/runtime'
  if (/provider\s*=\s*"postgres/.test(prismaSchema()) && fs.existsSync(join(app, runtime)))
    unused.push(...fs.readdirSync(join(app, runtime)).filter((name) => /mysql|sqlite|sqlserver|cockroach/.test(name)).map((name) => join(runtime, name)))
  for (const name of unused) fs.rmSync(join(app, name), { recursive: true, force: true })
}

function assemble(app) {
  const standalone = '.next/standalone'
  checkStandalone(standalone)
  fs.mkdirSync(app, { recursive: true })
  fs.cpSync(standalone, app, { recursive: true, verbatimSymlinks: true })
  for (const name of ['.next/static', 'public', 'prisma/migrations'])
    if (fs.existsSync(name)) fs.cpSync(name, join(app, name), { recursive: true })
  prune(app)
  run('chmod', ['-R', 'u+rwX,go+rX,go-w', app])
  // The one folder that the app writes to, apart from /tmp.
  fs.rmSync(join(app, '.next/cache'), { recursive: true, force: true })
  fs.mkdirSync(join(app, '.next/cache'), { recursive: true })
  fs.chownSync(join(app, '.next/cache'), 1001, 1001)
  console.log(`nextjs: the app has ${folderSize(app)} MB, of which ${folderSize(join(app, 'node_modules'))} MB node_modules`)
}

const steps = { prepare, install, build, assemble }
const [name, ...rest] = process.argv.slice(2)
try {
  if (!Object.hasOwn(steps, name)) throw new BuildError(`unknown step "${name}": one of ${Object.keys(steps).join(', ')}`)
  steps[name](...rest)
} catch (error) {
  if (!(error instanceof BuildError)) throw error
  console.error(`\nnextjs ${name}: ${error.message}`)
  process.exit(1)
}
