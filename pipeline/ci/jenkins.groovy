// Written by `penstock init --ci jenkins`; yours to change. It needs
// - requirements.txt, which installs Penstock
// - agents with the label penstock that share a disk, and its folder as the global variable PENSTOCK_HOME:
//   runs, metadata and pushed versions stay there from one build to the next
// - the plugins Pipeline, JUnit; who may answer the question before a push is the job's permission

def install() {
  sh 'python3 -m venv .venv && .venv/bin/pip install --quiet -r requirements.txt'
}

def explain(int code) {
  switch (code) {
    case 0: return
    case 1: error "${env.PROBLEM}: the run failed, see the log"
    case 2: error "${env.PROBLEM}: the problem or its data is wrong"
    case 3: error "${env.PROBLEM}: a gate refused the data or the model, see the report"
    default: error "${env.PROBLEM}: ended with exit code ${code}"
  }
}

pipeline {
  agent none
  options {
    disableConcurrentBuilds()
    buildDiscarder(logRotator(numToKeepStr: '50'))
  }
  stages {
    stage('Problems') {
      matrix {
        axes {
          axis {
            name 'PROBLEM'
            values "PROBLEM"
          }
        }
        stages {
          stage('Validate') {
            agent { label 'penstock' }
            options { timeout(time: 1, unit: 'HOURS') }
            steps {
              install()
              sh '.venv/bin/penstock check "problems/$PROBLEM.yaml"'
              sh '.venv/bin/penstock fetch "problems/$PROBLEM.yaml"'
              sh '.venv/bin/penstock validate --problem "problems/$PROBLEM.yaml" --format junit > validate.xml'
            }
            post {
              always { junit testResults: 'validate.xml', allowEmptyResults: true }
            }
          }
          stage('Train') {
            when { branch 'main' }
            agent { label 'penstock' }
            options { timeout(time: 6, unit: 'HOURS') }
            steps {
              install()
              script {
                // judged beside the served model
                explain(sh(returnStatus: true, script: '''
                  : "${PENSTOCK_HOME:?set the global variable PENSTOCK_HOME to a folder that the agents share}"
                  .venv/bin/penstock run "problems/$PROBLEM.yaml" --no-push --wait --json > run.json
                '''))
              }
              stash name: "run-${env.PROBLEM}", includes: 'run.json'
            }
            post {
              always {
                sh '.venv/bin/penstock models list --model "problems/$PROBLEM.yaml" || true'
                sh '.venv/bin/penstock report "problems/$PROBLEM.yaml" --out "report-$PROBLEM.html" --no-open || true'
                archiveArtifacts artifacts: 'report-*.html', allowEmptyArchive: true
              }
            }
          }
          stage('Push') {
            when {
              beforeInput true
              branch 'main'
            }
            input {
              message 'Push the model? Its report is among the artifacts.'
              ok 'Push'
            }
            agent { label 'penstock' }
            options { timeout(time: 7, unit: 'DAYS') }
            steps {
              install()
              unstash "run-${env.PROBLEM}"
              sh '''
                run_id=$(python3 -c 'import json; print(json.load(open("run.json"))["run_id"])')
                .venv/bin/penstock push "problems/$PROBLEM.yaml" "$run_id" --wait
              '''
            }
          }
        }
      }
    }
  }
}
